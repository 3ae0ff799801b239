"""privacy's API and the vault's request-reply server."""

import asyncio
from contextlib import AsyncExitStack

import asyncpg
import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from nats.aio.msg import Msg

from libs.common.app import create_app
from libs.common.contracts.vault import EVICT_SUBJECT, Evict
from libs.common.errors import Unavailable, problem
from libs.common.eventlog.base import events_stream
from services.privacy.gate import Gate
from services.privacy.growth import grow
from services.privacy.resources import PrivacyResources, open_recorder, open_rights, open_vault
from services.privacy.rights import decisions
from services.privacy.rights.receipts import ReceiptKey
from services.privacy.rights.routes import router as rights_router
from services.privacy.rights.standing import StandingServer
from services.privacy.routes import router
from services.privacy.server import VaultServer
from services.privacy.settings import PrivacySettings
from services.privacy.vault import Vault


def create() -> FastAPI:
    """For uvicorn: `services.privacy.app:create`."""
    settings = PrivacySettings()

    async def resources(stack: AsyncExitStack) -> PrivacyResources:
        opened, ring = await open_vault(stack, settings, "privacy")
        vault = Vault(ring)
        gate = Gate(opened.log, opened.engine, settings.partitions)
        server = VaultServer(opened.nats, vault, gate.must_be_open)

        async def evict(message: Msg) -> None:
            await ring.reload(msgspec.msgpack.decode(message.data, type=Evict).workspace)

        await opened.nats.subscribe(EVICT_SUBJECT, cb=evict)
        rights = await open_rights(stack, settings)
        recorder = await open_recorder(stack, settings, vault, opened.log)
        decided = Gate(
            opened.log,
            rights,
            settings.partitions,
            what="not all decisions are known",
            consumer=decisions.NAME,
            stream=events_stream,
        )
        await StandingServer(opened.nats, recorder.pool, decided.must_be_open).start()
        for work in (gate.watch(), decided.watch(), grow(vault)):
            task = asyncio.create_task(work)
            stack.callback(task.cancel)
        await server.start()
        stack.push_async_callback(server.stop)
        key = ReceiptKey(settings.vault_dir)
        return PrivacyResources(settings, opened.engine, opened.nats, opened.log, vault, gate, decided, recorder, key)

    app = create_app("privacy", resources, [router, rights_router], log_level=settings.log_level)
    for away in (asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError, asyncpg.InterfaceError, OSError):
        app.add_exception_handler(away, _database_away)
    return app


async def _database_away(_: Request, error: Exception) -> JSONResponse:
    detail = f"the database does not answer ({type(error).__name__}); send the same again"
    return problem(Unavailable.status, Unavailable.code, detail, {"Retry-After": "1"})
