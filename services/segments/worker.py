"""Keeps the segments: folds STITCHED, the only writer of SEGMENTS."""

from contextlib import AsyncExitStack

from fastapi import FastAPI

from libs.common.clock import SystemClock
from libs.common.confirming import Confirmer
from libs.common.processor import ProcessorConsumer
from libs.common.resources import open_resources
from libs.common.settings import Settings
from libs.common.vault_client import VaultClient
from libs.common.worker import Consumers, create_worker
from services.segments.processor import Segmenting


async def _open(stack: AsyncExitStack) -> Consumers:
    settings = Settings()
    opened = await open_resources(stack, settings, "segments", "segments-worker")
    vault = VaultClient(opened.nats, settings.workspace, SystemClock())
    running = [
        ProcessorConsumer(opened.log, partition, opened.engine, Segmenting(vault, partition), SystemClock())
        for partition in range(settings.partitions)
    ]
    return Consumers(opened.log, running, [Confirmer(opened.log, opened.engine, "segments", SystemClock())])


def create() -> FastAPI:
    """`uvicorn services.segments.worker:create --factory`."""
    return create_worker("segments-worker", _open)
