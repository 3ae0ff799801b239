"""Takes erased people's rows off the disk, and confirms only then. Queries hide them from the moment of the fact."""

import asyncio
from dataclasses import dataclass, field

from clickhouse_connect.driver.exceptions import ClickHouseError
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.consumer import Progress, keep_trying
from libs.common.db import driver_connection
from libs.common.errors import Unavailable
from libs.common.positions import Overtaken
from services.insights import history, store
from services.insights.engine import Engine

POLL_SECONDS = 0.2


@dataclass
class Eraser:
    """A reactor beside the consumer (see worker.Consumers). Killed anywhere, it does the same again."""

    engine: Engine
    database: AsyncEngine
    progress: Progress = field(default_factory=lambda: Progress("insights-eraser", 0, ""))

    async def run(self) -> None:
        """See Consumer."""
        await keep_trying(self.progress, self._follow)

    async def _follow(self) -> None:
        while True:
            await self.erase()
            self.progress.waiting_for = ""
            await asyncio.sleep(POLL_SECONDS)

    async def erase(self) -> int:
        """Carries out what is pending, all at once, and says how many erasures that were."""
        async with self.database.begin() as connection:
            driver = await driver_connection(connection)
            waiting = await store.pending(driver)
            standing = await store.standing(driver) if waiting else None
        if standing is None:
            return 0
        for partition in sorted({each.partition for each in waiting}):
            await self._forget(standing, partition)
        async with self.database.begin() as connection:
            driver = await driver_connection(connection)
            await store.hold(driver)
            if await store.generation(driver) != standing.generation:
                raise Overtaken("a replay has replaced the history")
            await store.confirm(driver, waiting)
        return len(waiting)

    async def _forget(self, standing: store.Standing, partition: int) -> None:
        upto = standing.positions[partition]
        try:
            await self.engine.tend(lambda client: history.forget(client, standing.generation, partition, upto))
        except (history.StillThere, ClickHouseError) as error:
            raise Unavailable(f"rows of erased people are still on disk ({type(error).__name__})") from error
