"""The front door as a fixture."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.ingest.harness import House, open_house
from tests.postgres import Database


@pytest.fixture
async def house(database: Database, tmp_path: Path) -> AsyncIterator[House]:
    """A running front door with empty tables."""
    async with open_house(await database("ingest"), tmp_path) as opened:
        yield opened
