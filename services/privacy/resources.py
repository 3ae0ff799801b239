"""What privacy's processes open, and how they get ready."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common import migrate
from libs.common.clock import SystemClock
from libs.common.crypto import SUITES
from libs.common.db import open_engine, open_pool
from libs.common.eventlog.base import EventLog
from libs.common.eventlog.jetstream import JetStreamLog, connect
from libs.common.resources import Opened
from services.privacy.gate import Gate
from services.privacy.keyring import Keyring
from services.privacy.rights.receipts import ReceiptKey
from services.privacy.rights.recording import Recorder
from services.privacy.settings import PrivacySettings
from services.privacy.vault import Vault

SCHEMA = "vault"
RIGHTS, RIGHTS_MIGRATIONS = "privacy", "privacy/rights"


async def open_vault(stack: AsyncExitStack, settings: PrivacySettings, process: str) -> tuple[Opened, Keyring]:
    """The vault's database, NATS and the keys; the workspace is created when it is new."""
    engine = await stack.enter_async_context(open_engine(settings.vault_database_url, SCHEMA))
    await migrate.require_current(engine, "privacy")
    nats = await stack.enter_async_context(connect(settings.nats_url, process))
    ring = Keyring(engine, settings.vault_dir, SystemClock())
    await ring.ensure(settings.workspace, 0, SUITES[settings.suite])
    return Opened(settings, engine, nats, JetStreamLog(nats)), ring


async def open_rights(stack: AsyncExitStack, settings: PrivacySettings) -> AsyncEngine:
    """The database of people's decisions and requests; refuses a stale schema."""
    engine = await stack.enter_async_context(open_engine(settings.database_url, RIGHTS))
    await migrate.require_current(engine, RIGHTS_MIGRATIONS)
    return engine


async def open_recorder(stack: AsyncExitStack, settings: PrivacySettings, vault: Vault, log: EventLog) -> Recorder:
    """What writes decisions and requests."""
    pool = await stack.enter_async_context(open_pool(settings.database_url, RIGHTS))
    return Recorder(vault, log, pool, settings.privacy_wait_seconds)


@dataclass
class PrivacyResources(Opened):
    """What the app serves with. `decided` opens when all decisions of before are known."""

    settings: PrivacySettings
    vault: Vault
    gate: Gate
    decided: Gate
    recorder: Recorder
    receipts: ReceiptKey

    async def ready(self) -> dict[str, Any]:
        """Raises Unavailable while something is away or the vault is closed."""
        await super().ready()
        self.gate.must_be_open()
        self.decided.must_be_open()
        return {"vault": "open"}
