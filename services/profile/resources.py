"""What the profile API has open."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from asyncpg import Pool
from fastapi import Request

from libs.common.clock import Clock, SystemClock
from libs.common.contracts.standing import Standing
from libs.common.db import open_pool
from libs.common.eventlog.base import EventLog
from libs.common.resources import open_resources
from libs.common.standing_client import StandingClient
from libs.common.vault_client import VaultClient
from services.profile.settings import ProfileSettings
from services.profile.vault import Vault
from services.profile.waiting import Arrivals


class Standings(Protocol):
    """What answering needs of privacy: over NATS (libs.common.standing_client), and in tests."""

    async def standings(self, subjects: Sequence[Sequence[bytes]]) -> list[Standing]:
        """Where each person, given by all pseudonyms, stands. Raises errors.Unavailable."""
        ...


@dataclass
class ProfileResources:
    """One process of the API, for one workspace."""

    settings: ProfileSettings
    pool: Pool
    log: EventLog
    vault: Vault
    standings: Standings
    clock: Clock
    check: Callable[[], Awaitable[dict[str, Any]]]
    _arrivals: dict[int, Arrivals] = field(default_factory=dict)

    async def ready(self) -> dict[str, Any]:
        """Raises Unavailable when the database, the log or the vault is away."""
        report = await self.check()
        workspace = await self.vault.workspace()
        return {**report, "workspace": workspace.workspace, "partition": workspace.partition}

    async def partition(self) -> int:
        """Where the workspace lives. Raises Unavailable until the vault has said so once."""
        return (await self.vault.workspace()).partition

    def arrivals(self, partition: int) -> Arrivals:
        """The one waiter of a partition."""
        return self._arrivals.setdefault(partition, Arrivals(self.pool, partition))


async def open_profile(stack: AsyncExitStack) -> ProfileResources:
    """Opens the database, the log and the vault's client, on the lifespan's stack."""
    settings = ProfileSettings()
    opened = await open_resources(stack, settings, "profile", "profile")
    vault = VaultClient(opened.nats, settings.workspace, SystemClock())
    pool = await stack.enter_async_context(open_pool(settings.database_url, "profile", size=settings.profile_pool_size))
    standings = StandingClient(opened.nats, settings.workspace)
    return ProfileResources(settings, pool, opened.log, vault, standings, SystemClock(), opened.ready)


def resources(request: Request) -> ProfileResources:
    """What the process has open."""
    return cast(ProfileResources, request.app.state.resources)
