"""A history of its own for each test; chDB itself takes a second to start."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common.eventlog.memory import MemoryLog
from tests.integration.insights.history import History, open_history
from tests.integration.profile.world import World
from tests.postgres import Database


@pytest.fixture
async def history(database: Database, tmp_path: Path) -> AsyncIterator[History]:
    async with open_history(World(), MemoryLog(), await database("insights"), tmp_path / "insights") as opened:
        yield opened
