"""One history from one log: real chDB in a directory, real PostgreSQL, the log in memory, the vault a dictionary."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.contracts.stitched import STITCHED
from libs.common.db import driver_connection
from libs.common.eventlog.base import stitched_stream
from libs.common.eventlog.memory import MemoryLog
from libs.common.projection import ProjectionConsumer
from services.insights import checking, queries, store
from services.insights.engine import Engine, open_engine
from services.insights.erasing import Eraser
from services.insights.projection import InsightsProjection
from services.insights.queries import Scope
from tests.integration.profile.world import DAY, NOON, WORKSPACE, World

START, END = NOON - 400 * DAY, NOON + 400 * DAY


@dataclass
class History:
    """A world, and what insights makes of it."""

    world: World
    log: MemoryLog
    database: AsyncEngine
    engine: Engine
    directory: Path

    def consumer(self) -> ProjectionConsumer:
        projection = InsightsProjection(self.engine, self.world.vault, 0)
        return ProjectionConsumer(self.log, stitched_stream(0), 0, self.database, projection, STITCHED)

    async def catch_up(self, **how: Any) -> None:
        await self.world.write(self.log, **how)
        await self.consumer().catch_up()

    async def erase_on_disk(self) -> int:
        return await Eraser(self.engine, self.database).erase()

    async def standing(self) -> store.Standing:
        async with self.database.connect() as connection:
            found = await store.standing(await driver_connection(connection))
        assert found is not None
        return found

    async def scope(self, start: int = START, end: int = END, timezone: str = "UTC") -> Scope:
        standing = await self.standing()
        return Scope(standing.generation, 0, standing.positions[0], WORKSPACE, timezone, start, end)

    async def channels(self, by_day: bool = False, **about: Any) -> dict[Any, queries.Sums]:
        scope = await self.scope(**about)
        cells = await self.engine.read(lambda client: queries.channels(client, scope, by_day))
        return {(cell.channel, cell.day) if by_day else cell.channel: cell.sums for cell in cells}

    async def total(self, **about: Any) -> queries.Sums:
        scope = await self.scope(**about)
        return await self.engine.read(lambda client: queries.total(client, scope))

    async def credits(self, window: int = 30 * DAY, **about: Any) -> dict[tuple[str, str, str], queries.Credited]:
        scope = await self.scope(**about)
        found = await self.engine.read(lambda client: queries.last_touch(client, scope, window))
        return {(each.channel, each.source, each.campaign): each for each in found}

    async def digest(self) -> str:
        async with self.database.connect() as connection:
            return await checking.state_digest(self.engine, connection)

    async def accounts(self) -> dict[str, tuple[int, int]]:
        async with self.database.connect() as connection:
            rows = await store.accounts(await driver_connection(connection), WORKSPACE)
        return {source: (stored, erased) for source, stored, erased in rows}

    async def ask(self, query: str) -> list[Any]:
        """A query of the test's own; `{g}` is the generation."""
        generation = (await self.standing()).generation

        def run(client: Client) -> list[Any]:
            return list(client.query(query.replace("{g}", generation)).result_rows)

        return await self.engine.read(run)

    def files_with(self, needle: bytes) -> list[Path]:
        """Every file of the directory whose bytes hold `needle`."""
        found: list[Path] = []
        for directory, _, names in os.walk(self.directory):
            for path in (Path(directory) / name for name in names):
                with suppress(FileNotFoundError):  # ClickHouse merged it away meanwhile
                    if needle in path.read_bytes():
                        found.append(path)
        return found


@asynccontextmanager
async def open_history(world: World, log: MemoryLog, database: AsyncEngine, directory: Path) -> AsyncIterator[History]:
    """chDB serves one directory a process at a time: closed at exit."""
    async with open_engine(directory) as engine:
        yield History(world, log, database, engine, directory)
