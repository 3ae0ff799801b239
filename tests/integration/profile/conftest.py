"""A world, its log, profile's real tables and its API."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from libs.common.eventlog.memory import MemoryLog
from tests.integration.profile.api import Api, open_api
from tests.integration.profile.tables import Tables
from tests.integration.profile.world import World
from tests.postgres import Database

MakeTables = Callable[[World], Awaitable[Tables]]


@pytest.fixture
def make_tables(database: Database) -> MakeTables:
    """Fresh tables and a fresh log for a world."""

    async def make(world: World) -> Tables:
        return Tables(world, MemoryLog(), await database("profile"))

    return make


@pytest.fixture
async def tables(make_tables: MakeTables) -> Tables:
    return await make_tables(World())


@pytest.fixture
async def api(tables: Tables, tmp_path: Path) -> AsyncIterator[Api]:
    async with open_api(tables, tmp_path) as opened:
        yield opened
