"""Digests and replays of services' states: the one place that knows how each service's tables follow from the log.

The vault is not here: it is what the log cannot rebuild (design: it makes forgetting possible).
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from nats.aio.client import Client
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common import digest as digests
from libs.common import replay as replays
from libs.common.clock import SystemClock
from libs.common.contracts.events import EVENTS
from libs.common.contracts.stitched import STITCHED
from libs.common.db import open_engine
from libs.common.eventlog.base import EventLog, events_stream, stitched_stream
from libs.common.eventlog.jetstream import JetStreamLog, connect
from libs.common.processor import ProcessorConsumer, ProcessorReplay
from libs.common.projection import ProjectionConsumer
from libs.common.vault_client import VaultClient
from libs.devstack.errors import StackError
from libs.devstack.stack import Stack
from services.identity.processor import Identity
from services.identity.tables import metadata as identity_tables
from services.ingest.projection import IngestProjection
from services.ingest.tables import metadata as ingest_tables
from services.profile.digest import decoders as profile_decoders
from services.profile.projection import ProfileProjection
from services.profile.tables import metadata as profile_tables


@dataclass(frozen=True)
class Opened:
    """What a rebuild needs of a running stack, as one service."""

    log: EventLog
    vault: VaultClient
    partitions: int


@dataclass(frozen=True)
class Rebuildable:
    """A service's tables, what rebuilds one partition of them, what opens their sealed columns, what is not digested."""

    tables: MetaData
    rebuild: Callable[[Opened, AsyncEngine, int], replays.Rebuild]
    decoders: Callable[[Opened], Mapping[str, digests.Decode]]
    leave_out: frozenset[str] = frozenset()


def _ingest(opened: Opened, engine: AsyncEngine, partition: int) -> replays.Rebuild:
    projection = IngestProjection(partition)
    return ProjectionConsumer(opened.log, events_stream(partition), partition, engine, projection, EVENTS)


def _identity(opened: Opened, engine: AsyncEngine, partition: int) -> replays.Rebuild:
    return ProcessorReplay(ProcessorConsumer(opened.log, partition, engine, Identity(partition), SystemClock()))


def _profile(opened: Opened, engine: AsyncEngine, partition: int) -> replays.Rebuild:
    projection = ProfileProjection(opened.vault, partition)
    return ProjectionConsumer(opened.log, stitched_stream(partition), partition, engine, projection, STITCHED)


SERVICES: Mapping[str, Rebuildable] = {
    "ingest": Rebuildable(ingest_tables, _ingest, lambda _: {}),
    # The time alone is no difference: ticks move it while nothing happens.
    "identity": Rebuildable(identity_tables, _identity, lambda _: {}, frozenset({"clock"})),
    "profile": Rebuildable(profile_tables, _profile, lambda opened: profile_decoders(opened.vault)),
}


def _known(service: str) -> Rebuildable:
    if service not in SERVICES:
        hint = " (the vault cannot be rebuilt from the log: back it up)" if service in ("privacy", "vault") else ""
        raise StackError(f"{service!r} has no state that the log rebuilds{hint}; there are {', '.join(SERVICES)}")
    return SERVICES[service]


@asynccontextmanager
async def _open(stack: Stack, service: str) -> AsyncIterator[Opened]:
    async with connect(stack.nats_url(service), f"wanliu {service}") as client:
        yield Opened(JetStreamLog(client), _vault(client, stack), stack.partitions)


def _vault(client: Client, stack: Stack) -> VaultClient:
    return VaultClient(client, stack.workspace, SystemClock())


def _digest(service: str, opened: Opened) -> Callable[[AsyncConnection], Awaitable[str]]:
    known = _known(service)

    async def compute(connection: AsyncConnection) -> str:
        return await digests.digest(connection, known.tables, known.decoders(opened), known.leave_out)

    return compute


async def digest(stack: Stack, service: str) -> str:
    """The canonical hash of a service's decrypted state, of one moment. Raises StackError for an unknown service."""
    _known(service)
    async with _open(stack, service) as opened, open_engine(stack.postgres.url(service), service) as engine:
        snapshot = engine.execution_options(isolation_level="REPEATABLE READ")
        async with snapshot.connect() as connection:
            return await _digest(service, opened)(connection)


async def replay(stack: Stack, service: str) -> replays.Replayed:
    """Rebuilds a service's tables from the log beside the live ones, then swaps."""
    known = _known(service)
    async with _open(stack, service) as opened:

        def rebuilds(engine: AsyncEngine) -> Sequence[replays.Rebuild]:
            return [known.rebuild(opened, engine, partition) for partition in range(opened.partitions)]

        return await replays.replay(stack.postgres.url(service), service, rebuilds, _digest(service, opened))
