"""What most processes open: the service's database, NATS, and the log on it."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from nats.aio.client import Client
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common import migrate
from libs.common.db import open_engine
from libs.common.errors import Unavailable
from libs.common.eventlog.base import EventLog
from libs.common.eventlog.jetstream import JetStreamLog, connect
from libs.common.settings import Settings


@dataclass
class Opened:
    """Open connections of one process, closed by the exit stack they were opened on."""

    settings: Settings
    engine: AsyncEngine
    nats: Client
    log: EventLog

    async def ready(self) -> dict[str, Any]:
        """Raises Unavailable when the database or NATS does not answer."""
        if not self.nats.is_connected:
            raise Unavailable("NATS is not connected")
        try:
            async with self.engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except Exception as error:
            raise Unavailable(f"the database does not answer ({type(error).__name__})") from error
        return {}


async def open_resources(stack: AsyncExitStack, settings: Settings, service: str, process: str) -> Opened:
    """Opens database and NATS for `service`; refuses a stale schema."""
    engine = await stack.enter_async_context(open_engine(settings.database_url, service))
    await migrate.require_current(engine, service)
    nats = await stack.enter_async_context(connect(settings.nats_url, process))
    return Opened(settings, engine, nats, JetStreamLog(nats))
