"""Keeps sources, accounting and quarantine up to date with the log."""

from contextlib import AsyncExitStack

from fastapi import FastAPI

from libs.common.contracts.events import EVENTS
from libs.common.eventlog.base import events_stream
from libs.common.projection import ProjectionConsumer
from libs.common.resources import open_resources
from libs.common.worker import Consumers, create_worker
from services.ingest.projection import IngestProjection
from services.ingest.settings import IngestSettings


async def _open(stack: AsyncExitStack) -> Consumers:
    settings = IngestSettings()
    opened = await open_resources(stack, settings, "ingest", "ingest-worker")
    running = [
        ProjectionConsumer(
            opened.log, events_stream(partition), partition, opened.engine, IngestProjection(partition), EVENTS
        )
        for partition in range(settings.partitions)
    ]
    return Consumers(opened.log, running)


def create() -> FastAPI:
    """`uvicorn services.ingest.worker:create --factory`."""
    return create_worker("ingest-worker", _open)
