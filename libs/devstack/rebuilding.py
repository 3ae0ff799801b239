"""Digest and replay of each service's state, wired as the service's worker wires it.

What is rebuilt runs here, in the command's process, as the service's own database role and broker user. The
vault is not in the list: it is the one state that the log cannot give back, and forgetting depends on that.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common import confirming, digest
from libs.common.clock import SystemClock
from libs.common.contracts.events import EVENTS
from libs.common.contracts.stitched import STITCHED
from libs.common.db import open_engine
from libs.common.eventlog.base import EventLog, events_stream, segments_stream, stitched_stream
from libs.common.eventlog.jetstream import JetStreamLog, connect
from libs.common.processor import ProcessorConsumer, ProcessorReplay
from libs.common.projection import ProjectionConsumer
from libs.common.replay import Rebuild, Replayed, replay
from libs.common.vault_client import VaultClient
from libs.devstack.asking import ASKED, digest_by_asking, replay_by_asking
from libs.devstack.errors import StackError
from libs.devstack.stack import Stack
from services.identity import tables as identity_tables
from services.identity.processor import Identity
from services.ingest import tables as ingest_tables
from services.ingest.projection import IngestProjection
from services.privacy.rights import tables as rights_tables
from services.privacy.rights.following import RightsReplay, follow_people
from services.profile import tables as profile_tables
from services.profile.digest import decoders
from services.profile.projection import ProfileProjection
from services.segments import tables as segments_tables
from services.segments.digest import decoders as segments_decoders
from services.segments.processor import Segmenting

Show = Callable[[int, int], None]
SHOW_EVERY = 0.2


@dataclass(frozen=True)
class Watched:
    """A rebuild whose progress can be seen: `position` of `stream`."""

    rebuild: Rebuild
    stream: str
    position: Callable[[], int]

    async def catch_up(self) -> object:
        """See Rebuild."""
        return await self.rebuild.catch_up()

    async def catch_up_to(self, live: AsyncConnection) -> None:
        """See Rebuild."""
        await self.rebuild.catch_up_to(live)


def _watched(consumer: ProjectionConsumer) -> Watched:
    return Watched(consumer, consumer.stream, lambda: consumer.progress.position)


@dataclass(frozen=True)
class State:
    """What a service keeps: its tables, how their sealed columns are opened, and how a partition is rebuilt.

    `moving` names tables that every tick changes: equal at equal positions only. `kept` names tables that are no
    projections and outlive a replay. `migrations` says whose make the schema, if not the service's own.
    """

    metadata: MetaData
    decode: Callable[[], Mapping[str, digest.Decode]]
    rebuild: Callable[[int, AsyncEngine], "Watched"]
    moving: frozenset[str] = frozenset()
    kept: Sequence[str] = ()
    migrations: str = ""

    async def digest(self, connection: AsyncConnection, leave_out: frozenset[str] = frozenset()) -> str:
        """The canonical hash of the state that `connection` sees."""
        return await digest.digest(connection, self.metadata, self.decode(), leave_out | frozenset(self.kept))


def _ingest(log: EventLog, _: VaultClient) -> State:
    def rebuild(partition: int, engine: AsyncEngine) -> Watched:
        projection = IngestProjection(partition)
        return _watched(ProjectionConsumer(log, events_stream(partition), partition, engine, projection, EVENTS))

    return State(ingest_tables.metadata, dict, rebuild)


def _identity(log: EventLog, _: VaultClient) -> State:
    def rebuild(partition: int, engine: AsyncEngine) -> Watched:
        consumer = ProcessorConsumer(log, partition, engine, Identity(partition), SystemClock())
        folded = ProcessorReplay(consumer)
        return Watched(folded, stitched_stream(partition), lambda: consumer.progress.out_position)

    return State(identity_tables.metadata, dict, rebuild, frozenset({"clock"}), confirming.KEPT)


def _profile(log: EventLog, vault: VaultClient) -> State:
    def rebuild(partition: int, engine: AsyncEngine) -> Watched:
        projection = ProfileProjection(vault, partition)
        return _watched(ProjectionConsumer(log, stitched_stream(partition), partition, engine, projection, STITCHED))

    return State(profile_tables.metadata, lambda: decoders(vault), rebuild, frozenset({"horizon"}), confirming.KEPT)


def _privacy(log: EventLog, _: VaultClient) -> State:
    """People's decisions and who is whom; the vault itself is not rebuilt."""

    def rebuild(partition: int, engine: AsyncEngine) -> Watched:
        consumers = follow_people(log, engine, partition)
        last = consumers[-1]
        return Watched(RightsReplay(consumers), last.stream, lambda: last.progress.position)

    return State(rights_tables.metadata, dict, rebuild, kept=rights_tables.KEPT, migrations="privacy/rights")


def _segments(log: EventLog, vault: VaultClient) -> State:
    def rebuild(partition: int, engine: AsyncEngine) -> Watched:
        consumer = ProcessorConsumer(log, partition, engine, Segmenting(vault, partition), SystemClock())
        return Watched(ProcessorReplay(consumer), segments_stream(partition), lambda: consumer.progress.out_position)

    moving = frozenset({"clock"})
    return State(segments_tables.metadata, lambda: segments_decoders(vault), rebuild, moving, confirming.KEPT)


REBUILT: Mapping[str, Callable[[EventLog, VaultClient], State]] = {
    "ingest": _ingest,
    "identity": _identity,
    "profile": _profile,
    "segments": _segments,
    "privacy": _privacy,
}


@asynccontextmanager
async def _state(stack: Stack, service: str) -> AsyncIterator[tuple[State, EventLog]]:
    if service not in REBUILT:
        raise StackError(f"{service!r} keeps nothing that the log gives back; {', '.join((*REBUILT, *ASKED))} do")
    async with connect(stack.nats_url(service), "wanliu") as client:
        log = JetStreamLog(client)
        yield REBUILT[service](log, VaultClient(client, stack.workspace, SystemClock())), log


async def digest_of(stack: Stack, service: str) -> str:
    """The canonical hash of a service's (decrypted) state, in one snapshot; ticks do not change it."""
    if service in ASKED:
        return await asyncio.to_thread(digest_by_asking, stack, service)
    async with (
        _state(stack, service) as (state, _),
        open_engine(stack.postgres.url(service), service) as engine,
        engine.connect() as connection,
    ):
        await connection.execution_options(isolation_level="REPEATABLE READ")
        return await state.digest(connection, state.moving)


async def replay_of(stack: Stack, service: str, show: Show) -> Replayed:
    """Rebuilds a service from the log beside its live state, and swaps; `show(applied, entries)` meanwhile."""
    if service in ASKED:
        return await asyncio.to_thread(replay_by_asking, stack, service)
    async with _state(stack, service) as (state, log):
        watching: list[asyncio.Task[None]] = []

        def rebuilds(engine: AsyncEngine) -> Sequence[Rebuild]:
            watched = [state.rebuild(partition, engine) for partition in range(stack.partitions)]
            watching.append(asyncio.create_task(_watch(log, watched, show)))
            return watched

        try:
            url = stack.postgres.url(service)
            return await replay(url, service, rebuilds, state.digest, state.kept, state.migrations)
        finally:
            for task in watching:
                task.cancel()


async def _watch(log: EventLog, watched: Sequence[Watched], show: Show) -> None:
    entries = sum([await log.end(each.stream) for each in watched])
    while True:
        show(min(sum(each.position() for each in watched), entries), entries)
        await asyncio.sleep(SHOW_EVERY)
