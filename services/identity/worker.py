"""Stitches: the only writer of STITCHED."""

from contextlib import AsyncExitStack

from fastapi import FastAPI

from libs.common.clock import SystemClock
from libs.common.confirming import Confirmer
from libs.common.processor import ProcessorConsumer
from libs.common.resources import open_resources
from libs.common.settings import Settings
from libs.common.worker import Consumers, create_worker
from services.identity.processor import Identity


async def _open(stack: AsyncExitStack) -> Consumers:
    settings = Settings()
    opened = await open_resources(stack, settings, "identity", "identity-worker")
    running = [
        ProcessorConsumer(opened.log, partition, opened.engine, Identity(partition), SystemClock())
        for partition in range(settings.partitions)
    ]
    return Consumers(opened.log, running, [Confirmer(opened.log, opened.engine, "identity", SystemClock())])


def create() -> FastAPI:
    """`uvicorn services.identity.worker:create --factory`."""
    return create_worker("identity-worker", _open)
