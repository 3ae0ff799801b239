"""Keeps sources, accounting and quarantine up to date with the log."""

import asyncio
from contextlib import AsyncExitStack

from fastapi import FastAPI

from libs.common.contracts.events import EVENTS
from libs.common.eventlog.base import events_stream
from libs.common.projection import ProjectionConsumer
from libs.common.resources import open_resources
from libs.common.worker import Consumers, create_worker
from services.ingest.projection import IngestProjection
from services.ingest.settings import IngestSettings

_REST_SECONDS = 0.025


async def _rest() -> None:
    """Lists and accounts may be a moment late: a transaction for each small entry would cost more than ingest."""
    await asyncio.sleep(_REST_SECONDS)


async def _open(stack: AsyncExitStack) -> Consumers:
    settings = IngestSettings()
    opened = await open_resources(stack, settings, "ingest", "ingest-worker")
    running = [
        ProjectionConsumer(
            log=opened.log,
            stream=events_stream(partition),
            partition=partition,
            engine=opened.engine,
            projection=IngestProjection(partition),
            registry=EVENTS,
            settle=_rest,
        )
        for partition in range(settings.partitions)
    ]
    return Consumers(opened.log, running)


def create() -> FastAPI:
    """`uvicorn services.ingest.worker:create --factory`."""
    return create_worker("ingest-worker", _open)
