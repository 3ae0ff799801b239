"""One rebuild of profile's tables from one log, on real PostgreSQL."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.contracts.stitched import STITCHED
from libs.common.digest import digest
from libs.common.eventlog.base import stitched_stream
from libs.common.eventlog.memory import MemoryLog
from libs.common.projection import ProjectionConsumer
from services.profile.digest import decoders
from services.profile.projection import ProfileProjection
from services.profile.tables import metadata
from tests.integration.profile.world import World


@dataclass
class Tables:
    """One rebuild of profile's tables from one log."""

    world: World
    log: MemoryLog
    engine: AsyncEngine

    def consumer(self) -> ProjectionConsumer:
        projection = ProfileProjection(self.world.vault, 0)
        return ProjectionConsumer(self.log, stitched_stream(0), 0, self.engine, projection, STITCHED)

    async def catch_up(self, **how: Any) -> None:
        """Writes what the world has not written yet, as told, and applies it."""
        await self.world.write(self.log, **how)
        await self.consumer().catch_up()

    async def digest(self) -> str:
        async with self.engine.connect() as connection:
            return await digest(connection, metadata, decoders(self.world.vault))

    async def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        async with self.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(query), values)]
