"""What privacy's processes open, and how they get ready."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from libs.common import migrate
from libs.common.clock import SystemClock
from libs.common.crypto import SUITES
from libs.common.db import open_engine
from libs.common.eventlog.jetstream import JetStreamLog, connect
from libs.common.resources import Opened
from services.privacy.gate import Gate
from services.privacy.keyring import Keyring
from services.privacy.settings import PrivacySettings
from services.privacy.vault import Vault

SCHEMA = "vault"


async def open_vault(stack: AsyncExitStack, settings: PrivacySettings, process: str) -> tuple[Opened, Keyring]:
    """The vault's database, NATS and the keys; the workspace is created when it is new."""
    engine = await stack.enter_async_context(open_engine(settings.vault_database_url, SCHEMA))
    await migrate.require_current(engine, "privacy")
    nats = await stack.enter_async_context(connect(settings.nats_url, process))
    ring = Keyring(engine, settings.vault_dir, SystemClock())
    await ring.ensure(settings.workspace, 0, SUITES[settings.suite])
    return Opened(settings, engine, nats, JetStreamLog(nats)), ring


@dataclass
class PrivacyResources(Opened):
    """What the app serves with."""

    vault: Vault
    gate: Gate

    async def ready(self) -> dict[str, Any]:
        """Raises Unavailable while something is away or the vault is closed."""
        await super().ready()
        self.gate.must_be_open()
        return {"vault": "open"}
