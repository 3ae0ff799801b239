"""What the segments API has open."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Protocol, cast

from fastapi import Request
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.clock import Clock, SystemClock
from libs.common.contracts.vault import WorkspaceReply
from libs.common.errors import BadRequest, Unavailable
from libs.common.eventlog.base import EventLog
from libs.common.ids import NewId, new_id
from libs.common.resources import open_resources
from libs.common.settings import Settings
from libs.common.standing_client import StandingClient
from libs.common.vault_client import VaultClient
from services.segments import queries
from services.segments.permitting import Standings

WAIT_SECONDS, POLL_SECONDS = 5.0, 0.02


class Workspaces(Protocol):
    """What the API needs of the vault."""

    async def workspace(self) -> WorkspaceReply:
        """Where the workspace lives. Raises errors.Unavailable."""
        ...


@dataclass
class SegmentsResources:
    """One process of the API, for one workspace."""

    settings: Settings
    engine: AsyncEngine
    log: EventLog
    vault: Workspaces
    standings: Standings
    clock: Clock
    new_id: NewId
    opened: Any = None

    async def ready(self) -> dict[str, Any]:
        """Raises Unavailable when the database, the log or the vault is away."""
        report = await self.opened.ready() if self.opened else {}
        workspace = await self.vault.workspace()
        return {**report, "workspace": workspace.workspace, "partition": workspace.partition}

    async def partition(self) -> int:
        """Where the workspace lives. Raises Unavailable until the vault has said so once."""
        return (await self.vault.workspace()).partition

    async def wait(self, at_least: str | None) -> None:
        """Returns once `partition:position` of EVENTS is applied. Raises BadRequest; Unavailable after 5 s."""
        if at_least is None:
            return
        partition, position = _position(at_least)
        if partition != await self.partition():
            raise BadRequest(f"the workspace lives in partition {await self.partition()}, not in {partition}")
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while not await self._has(partition, position):  # noqa: ASYNC110 - another process applies it
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise Unavailable(f"{at_least} of EVENTS was not applied within {WAIT_SECONDS:g} s: ask again") from None

    async def _has(self, partition: int, position: int) -> bool:
        async with self.engine.connect() as connection:
            return (await queries.horizon(connection, partition)).position >= position


def _position(given: str) -> tuple[int, int]:
    partition, _, position = given.partition(":")
    if not (partition.isascii() and partition.isdigit() and position.isascii() and position.isdigit()):
        raise BadRequest("`at_least` is `partition:position`, such as 0:1234, as answered when something was written")
    return int(partition), int(position)


async def open_segments(stack: AsyncExitStack) -> SegmentsResources:
    """Opens the database, the log and the vault's client, on the lifespan's stack."""
    settings = Settings()
    opened = await open_resources(stack, settings, "segments", "segments")
    vault = VaultClient(opened.nats, settings.workspace, SystemClock())
    standings = StandingClient(opened.nats, settings.workspace)
    return SegmentsResources(settings, opened.engine, opened.log, vault, standings, SystemClock(), new_id, opened)


def resources(request: Request) -> SegmentsResources:
    """What the process has open."""
    return cast(SegmentsResources, request.app.state.resources)
