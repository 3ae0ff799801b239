"""What insights has open: the history, its database, the log; and the consumers that run beside the API."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, cast

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.clock import SystemClock
from libs.common.confirming import Confirmer
from libs.common.contracts.stitched import STITCHED
from libs.common.db import driver_connection
from libs.common.errors import Unavailable
from libs.common.eventlog.base import stitched_stream
from libs.common.projection import ProjectionConsumer
from libs.common.replay import Replayed
from libs.common.resources import open_resources
from libs.common.vault_client import VaultClient
from libs.common.worker import Consumers, run_consumers
from services.insights import checking, store
from services.insights.engine import Engine, open_engine
from services.insights.erasing import Eraser
from services.insights.following import Following
from services.insights.projection import InsightsProjection
from services.insights.settings import InsightsSettings


@dataclass
class InsightsResources:
    """The one process of insights, for one workspace."""

    settings: InsightsSettings
    engine: Engine
    database: AsyncEngine
    consumers: Consumers
    check: Callable[[], Awaitable[dict[str, Any]]]
    where: Callable[[], Awaitable[int]]
    replay: Callable[[], Awaitable[Replayed]]
    replaying: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ready(self) -> dict[str, Any]:
        """Positions and lag; Unavailable when the database or NATS is away or a consumer has stopped."""
        return {**await self.check(), **await self.consumers.ready()}

    async def partition(self) -> int:
        """Where the workspace lives. Raises Unavailable until the vault has said so once."""
        return await self.where()

    async def standing(self) -> store.Standing | None:
        """What is committed now."""
        async with self.database.connect() as connection:
            return await store.standing(await driver_connection(connection))

    def must_be_whole(self) -> None:
        """Raises Unavailable when a consumer has stopped for good: its history may not be what the log says."""
        for consumer in self.consumers.running:
            if consumer.progress.error:
                raise Unavailable(f"insights has stopped: {consumer.progress.error}", retry_after=60)


async def open_insights(stack: AsyncExitStack) -> InsightsResources:
    """Opens everything on the lifespan's stack and starts to follow the log."""
    settings = InsightsSettings()
    opened = await open_resources(stack, settings, "insights", "insights")
    engine = await stack.enter_async_context(
        open_engine(
            settings.insights_dir,
            readers=settings.insights_readers,
            seconds=settings.insights_query_seconds,
            memory=settings.insights_query_bytes,
        )
    )
    await checking.clear(engine, opened.engine)
    vault = VaultClient(opened.nats, settings.workspace, SystemClock())
    projections = [InsightsProjection(engine, vault, partition) for partition in range(settings.partitions)]
    running = [
        ProjectionConsumer(
            log=opened.log,
            stream=stitched_stream(partition),
            partition=partition,
            engine=opened.engine,
            projection=projection,
            registry=STITCHED,
            settle=Following(engine, opened.engine, projection, settings.insights_rest_seconds).settle,
        )
        for partition, projection in enumerate(projections)
    ]
    reactors = (Eraser(engine, opened.engine), Confirmer(opened.log, opened.engine, "insights", SystemClock()))
    consumers = Consumers(opened.log, running, reactors)
    again = await run_consumers(stack, consumers)

    async def where() -> int:
        return (await vault.workspace()).partition

    async def replay() -> Replayed:
        done = await checking.rebuild(
            engine, opened.engine, settings.database_url, opened.log, vault, settings.partitions
        )
        again()
        return done

    return InsightsResources(settings, engine, opened.engine, consumers, opened.ready, where, replay)


def resources(request: Request) -> InsightsResources:
    """What the process has open."""
    return cast(InsightsResources, request.app.state.resources)
