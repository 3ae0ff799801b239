"""People, told entry by entry into STITCHED, and segments' tables on real PostgreSQL that follow."""

from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.clock import FixedClock
from libs.common.contracts.body import EventBody
from libs.common.contracts.events import (
    ConsentDecision,
    Consents,
    Pseudonym,
    Restriction,
    SegmentDefined,
    SegmentDeleted,
)
from libs.common.contracts.segments import SEGMENTS, Segmented
from libs.common.contracts.stitched import STITCHED, Facts, Origin, Stitched, Tick
from libs.common.contracts.vault import Identifier
from libs.common.digest import digest
from libs.common.eventlog.base import EventLog, segments_stream, stitched_stream
from libs.common.eventlog.memory import MemoryLog
from libs.common.processor import ProcessorConsumer, ProcessorReplay
from services.segments.digest import decoders
from services.segments.processor import Segmenting
from services.segments.state import State
from services.segments.tables import metadata
from tests.integration.profile.world import NOON, WORKSPACE, Sent, World, track

BUYER = {"event": {"name": "Order Completed", "op": "gte", "count": 1, "within": {"days": 2}}}
GOLD = {"trait": {"name": "plan", "op": "eq", "value": "gold"}}
EVER_BOUGHT = {"event": {"name": "Order Completed"}}


@dataclass
class Story:
    """Tells `world` into a log at `clock`; `follow` brings the tables along."""

    engine: AsyncEngine
    world: World = field(default_factory=World)
    log: EventLog = field(default_factory=MemoryLog)
    clock: int = NOON
    told: int = 0

    def did(self, customer: bytes, identifiers: tuple[Identifier, ...], body: EventBody | None = None) -> None:
        """An event, now."""
        body = body or track("Order Completed")
        self.world.send(Sent(customer, identifiers, body, self.clock, self.clock))

    def pseudonym(self, identifier: Identifier) -> Pseudonym:
        return Pseudonym(identifier.kind, self.world.vault.pseudonym(identifier))

    def decide(self, identifier: Identifier, granted: bool, purpose: str = "marketing", at: int | None = None) -> None:
        """A consent or its withdrawal, decided now or `at`."""
        decision = ConsentDecision(self.pseudonym(identifier), purpose, granted)
        self.world._append(Consents(WORKSPACE, self.clock, "ana", "web", "v1", at or self.clock, [decision]), Facts())

    def restrict(self, identifier: Identifier, lifted: bool = False, request: str = "r1") -> None:
        """A restriction, or its end."""
        self.world._append(Restriction(WORKSPACE, self.clock, request, [self.pseudonym(identifier)], lifted), Facts())

    def define(self, segment: str, definition: Any, purpose: str = "service") -> None:
        """A segment."""
        data = msgspec.json.encode(definition)
        self.world._append(SegmentDefined(WORKSPACE, self.clock, segment, segment, purpose, data, "ana"), Facts())

    def delete(self, segment: str) -> None:
        """Its end."""
        self.world._append(SegmentDeleted(WORKSPACE, self.clock, segment, "ana"), Facts())

    async def tell(self) -> None:
        """Writes what has happened since the last time, one STITCHED entry per EVENTS entry."""
        for data, facts in self.world.entries[self.told :]:
            self.told += 1
            entry = Stitched(Origin("log", self.told, self.told), self.clock, [data], [facts])
            await self.log.append(stitched_stream(0), STITCHED.encode(entry))

    async def tick(self, clock: int) -> None:
        """Time passes, and nothing else."""
        await self.tell()
        self.clock = clock
        origin = Origin("log", self.told + 1, self.told)
        await self.log.append(stitched_stream(0), STITCHED.encode(Tick(origin, clock)))
        await self.follow()

    def consumer(self, engine: AsyncEngine | None = None) -> ProcessorConsumer[State]:
        processor = Segmenting(self.world.vault, 0)
        return ProcessorConsumer(self.log, 0, engine or self.engine, processor, FixedClock(0))

    async def follow(self) -> None:
        """Tells the rest, and folds everything there is."""
        await self.tell()
        await self.consumer().catch_up()

    async def members(self, segment: str) -> set[bytes]:
        """Who is in it, padding taken off."""
        rows = await self.rows("SELECT customer FROM members WHERE segment = :segment", segment=segment)
        return {row[0].rstrip(b".") for row in rows}

    async def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        async with self.engine.connect() as connection:
            return [tuple(row) for row in await connection.execute(text(query), values)]

    async def digest(self, engine: AsyncEngine | None = None) -> str:
        async with (engine or self.engine).connect() as connection:
            return await digest(connection, metadata, decoders(self.world.vault))

    async def replayed_digest(self, engine: AsyncEngine) -> str:
        """Rebuilds from the log on another database."""
        await ProcessorReplay(self.consumer(engine)).catch_up()
        return await self.digest(engine)

    async def outputs(self) -> list[Segmented]:
        """All of SEGMENTS_0."""
        found: list[Segmented] = []
        async with self.log.read(segments_stream(0), 0) as reader:
            while stored := await reader.next(max_entries=100, max_bytes=1 << 24, wait=0.01):
                found += [SEGMENTS.decode(entry.data) for entry in stored]
        return found

    async def crossings(self) -> list[tuple[str, str, str, bytes]]:
        """(in or out, segment, reason, customer) in order."""
        return [
            (way, crossed.segment, crossed.reason, customer.rstrip(b"."))
            for output in await self.outputs()
            for facts in output.facts
            for way, all_crossed in (("out", facts.exited), ("in", facts.entered))
            for crossed in all_crossed
            for customer in crossed.customers
        ]
