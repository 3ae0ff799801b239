"""Keeps the profiles: folds STITCHED."""

from contextlib import AsyncExitStack

from fastapi import FastAPI

from libs.common.clock import SystemClock
from libs.common.confirming import Confirmer
from libs.common.contracts.stitched import STITCHED
from libs.common.eventlog.base import stitched_stream
from libs.common.projection import ProjectionConsumer
from libs.common.resources import open_resources
from libs.common.settings import Settings
from libs.common.vault_client import VaultClient
from libs.common.worker import Consumers, create_worker
from services.profile.projection import ProfileProjection


async def _open(stack: AsyncExitStack) -> Consumers:
    settings = Settings()
    opened = await open_resources(stack, settings, "profile", "profile-worker")
    vault = VaultClient(opened.nats, settings.workspace, SystemClock())
    running = [
        ProjectionConsumer(
            opened.log,
            stitched_stream(partition),
            partition,
            opened.engine,
            ProfileProjection(vault, partition),
            STITCHED,
        )
        for partition in range(settings.partitions)
    ]
    return Consumers(opened.log, running, [Confirmer(opened.log, opened.engine, "profile", SystemClock())])


def create() -> FastAPI:
    """`uvicorn services.profile.worker:create --factory`."""
    return create_worker("profile-worker", _open)
