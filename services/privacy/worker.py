"""Carries out erasures, folds people's decisions, erases what is due, and keeps the vault's house."""

import asyncio
from contextlib import AsyncExitStack

import msgspec
from fastapi import FastAPI

from libs.common.confirming import Confirmer
from libs.common.contracts.stitched import STITCHED
from libs.common.contracts.vault import EVICT_SUBJECT, Evict
from libs.common.eventlog.base import stitched_stream
from libs.common.projection import ProjectionConsumer
from libs.common.worker import Consumers, create_worker
from services.privacy.forgetting import Forgetting
from services.privacy.housekeeping import keep_house
from services.privacy.resources import open_recorder, open_rights, open_vault
from services.privacy.rights.following import follow_people
from services.privacy.rights.requests import Requests
from services.privacy.settings import PrivacySettings
from services.privacy.vault import Vault


def create() -> FastAPI:
    """For uvicorn: `services.privacy.worker:create`."""
    settings = PrivacySettings()

    async def consumers(stack: AsyncExitStack) -> Consumers:
        opened, ring = await open_vault(stack, settings, "privacy-worker")

        async def publish(evict: Evict) -> None:
            await opened.nats.publish(EVICT_SUBJECT, msgspec.msgpack.encode(evict))

        rights = await open_rights(stack, settings)
        recorder = await open_recorder(stack, settings, Vault(ring), opened.log)
        running = []
        for partition in range(settings.partitions):
            projection, stream = Forgetting(ring, publish), stitched_stream(partition)
            running.append(
                ProjectionConsumer(
                    opened.log, stream, partition, opened.engine, projection, STITCHED, projection.settle
                )
            )
            running += follow_people(opened.log, rights, partition, Requests(recorder))
        house = asyncio.create_task(keep_house(ring))
        stack.callback(house.cancel)
        vault_done = Confirmer(opened.log, opened.engine, "vault", ring.clock)
        rights_done = Confirmer(opened.log, rights, "privacy", ring.clock)
        return Consumers(opened.log, running, [vault_done, rights_done])

    return create_worker("privacy worker", consumers, log_level=settings.log_level)
