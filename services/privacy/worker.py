"""Carries out erasures, and keeps the vault's house."""

import asyncio
from contextlib import AsyncExitStack

import msgspec
from fastapi import FastAPI

from libs.common.contracts.stitched import STITCHED
from libs.common.contracts.vault import EVICT_SUBJECT, Evict
from libs.common.eventlog.base import stitched_stream
from libs.common.projection import ProjectionConsumer
from libs.common.worker import Consumers, create_worker
from services.privacy.forgetting import Forgetting
from services.privacy.housekeeping import keep_house
from services.privacy.resources import open_vault
from services.privacy.settings import PrivacySettings


def create() -> FastAPI:
    """For uvicorn: `services.privacy.worker:create`."""
    settings = PrivacySettings()

    async def consumers(stack: AsyncExitStack) -> Consumers:
        opened, ring = await open_vault(stack, settings, "privacy-worker")

        async def publish(evict: Evict) -> None:
            await opened.nats.publish(EVICT_SUBJECT, msgspec.msgpack.encode(evict))

        running = []
        for partition in range(settings.partitions):
            projection, stream = Forgetting(ring, publish), stitched_stream(partition)
            running.append(
                ProjectionConsumer(
                    opened.log, stream, partition, opened.engine, projection, STITCHED, projection.settle
                )
            )
        house = asyncio.create_task(keep_house(ring))
        stack.callback(house.cancel)
        return Consumers(opened.log, running)

    return create_worker("privacy worker", consumers, log_level=settings.log_level)
