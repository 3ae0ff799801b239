"""Processors: a stream from a stream, exactly once (design.md, section 3).

One transaction: lock the position row; decide; publish the output with the *stored* end of the output stream
as expectation; evolve; save; move the row. The output carries its origin, so after any failure the truth is
in the output stream: read what was published after the stored end, fold its facts, move the row. A decision
that was published is never taken again, neither after a crash nor by a replay under newer code.

Two flows stand: EVENTS to STITCHED, whose outputs hold their inputs verbatim, and STITCHED to SEGMENTS, whose
outputs only name the range they cover; to fold one, its inputs are read from the log again. A range without any
decision is published too: an append that came late must find the output stream where it expected it, or fail.
"""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common.clock import SECOND, Clock
from libs.common.consumer import Progress, keep_trying
from libs.common.contracts.events import EVENTS, MAX_ENTRY_BYTES
from libs.common.contracts.registry import Registry
from libs.common.contracts.stitched import STITCHED, Origin, Stitched, Tick
from libs.common.eventlog.base import EventLog, LogError, LogFull, Reader, Stored, events_stream, stitched_stream
from libs.common.positions import Position, lock_position, move_position, open_position

BATCH_ENTRIES = 64
BUSY_TICK_SECONDS = 1.0
IDLE_TICK_SECONDS = 5.0
RECOVER_ENTRIES = 64
RECOVER_BYTES = 8 * 1024 * 1024

S = TypeVar("S")


@dataclass(frozen=True)
class Flow:
    """From which stream to which, and the form of both.

    `output(origin, clock, inputs, facts)` makes the entry that covers `inputs`, with facts for each. `embedded`
    gives the inputs that an output holds verbatim, in order; None when outputs only name their origin.
    """

    reads: Callable[[int], str]
    inputs: Registry
    writes: Callable[[int], str]
    outputs: Registry
    output: Callable[[Origin, int, Sequence[Stored], list[Any]], Any]
    embedded: Callable[[Any], Sequence[bytes]] | None
    batch_entries: int = BATCH_ENTRIES


def _stitched(origin: Origin, clock: int, inputs: Sequence[Stored], facts: list[Any]) -> Stitched:
    return Stitched(origin, clock, [entry.data for entry in inputs], facts)


STITCHING = Flow(events_stream, EVENTS, stitched_stream, STITCHED, _stitched, lambda output: output.entries)
"""EVENTS to STITCHED."""


class Processor(Protocol[S]):
    """Decides about entries and folds its own decisions. `decide` and `evolve` are pure but for `state`."""

    name: str
    flow: Flow

    async def load(self, connection: AsyncConnection, entries: Sequence[tuple[int, Any]]) -> S:
        """All the state that deciding about these entries, in order, can need."""
        ...

    def decide(self, state: S, position: int, entry: Any) -> Any:
        """The facts: what is so about the entry. Folds none of them into `state`."""
        ...

    def evolve(self, state: S, position: int, entry: Any, facts: Any) -> None:
        """Folds the entry and its facts, new or read back, into `state`."""
        ...

    def clock_of(self, state: S) -> int:
        """The partition's clock in `state`."""
        ...

    async def save(self, connection: AsyncConnection, state: S) -> None:
        """Writes what evolved."""
        ...


@runtime_checkable
class Ticking(Protocol):
    """A processor that also writes the time into its output stream."""

    async def next_tick(self, connection: AsyncConnection, now: int) -> int:
        """The clock that a tick at host time `now` carries; not after a bounded step, not before the clock."""
        ...

    async def tick(self, connection: AsyncConnection, clock: int) -> None:
        """Folds a tick, new or read back."""
        ...


@dataclass
class ProcessorReplay(Generic[S]):
    """Rebuilds a processor's tables by folding its own outputs; decides and publishes nothing. See replay.Rebuild."""

    consumer: "ProcessorConsumer[S]"

    async def catch_up(self) -> Position:
        """Folds every output there is."""
        return await self.consumer.recover(await self.consumer.open())

    async def catch_up_to(self, live: AsyncConnection) -> None:
        """Folds up to the live output position, which `live` locks."""
        target = await lock_position(live, self.consumer.processor.name, self.consumer.partition)
        await self.consumer.recover(await self.consumer.open(), until=target.out_position)


@dataclass
class ProcessorConsumer(Generic[S]):
    """Runs one processor of one partition."""

    log: EventLog
    partition: int
    engine: AsyncEngine
    processor: Processor[S]
    clock: Clock
    progress: Progress = field(init=False)
    _log_id: str = ""
    _last_tick: int = 0
    _busy: bool = False

    def __post_init__(self) -> None:
        self.progress = Progress(self.processor.name, self.partition, self._source)

    @property
    def _flow(self) -> Flow:
        return self.processor.flow

    @property
    def _source(self) -> str:
        return self._flow.reads(self.partition)

    @property
    def _target(self) -> str:
        return self._flow.writes(self.partition)

    async def run(self) -> None:
        """See Consumer."""
        await keep_trying(self.progress, self._follow)

    async def catch_up(self) -> Position:
        """Processes everything up to the present end of its source; no ticks. Returns the position."""
        return await self._follow(until=await self.log.end(self._source))

    async def _follow(self, until: int | None = None) -> Position:
        position = await self.open()
        position = await self.recover(position)
        size, ticking = self._flow.batch_entries, isinstance(self.processor, Ticking) and until is None
        async with self.log.read(self._source, position.position) as reader:
            while until is None or position.position < until:
                stored = await reader.next(max_entries=size, max_bytes=MAX_ENTRY_BYTES, wait=BUSY_TICK_SECONDS)
                if stored:
                    position = await self._step(position, stored)
                if ticking and self._tick_is_due():
                    position = await self._tick(position)
        return position

    async def open(self) -> Position:
        """Checks the logs' identities and returns the stored position."""
        self._log_id = await self.log.log_id(self._source)
        async with self.engine.begin() as connection:
            found = await open_position(
                connection, self.processor.name, self.partition, self.log, self._source, self._target
            )
        self.progress.waiting_for = ""
        return self._at(found)

    def _at(self, position: Position) -> Position:
        self.progress.position, self.progress.out_position = position.position, position.out_position
        return position

    async def _lock(self, connection: AsyncConnection, expected: Position) -> None:
        found = await lock_position(connection, self.processor.name, self.partition)
        # Raises Overtaken for us when another worker moved the row while we waited for it.
        await move_position(connection, self.processor.name, self.partition, expected, found)

    async def _step(self, before: Position, stored: Sequence[Stored]) -> Position:
        """A range of entries at once; in halves when their output is more than the log takes in one entry."""
        try:
            return await self._process(before, stored)
        except LogFull:
            if len(stored) == 1:
                raise
        half = len(stored) // 2
        return await self._step(await self._step(before, stored[:half]), stored[half:])

    async def _process(self, before: Position, stored: Sequence[Stored]) -> Position:
        """Decides about a range of entries, publishes, evolves and commits."""
        entries = [(entry.position, self._flow.inputs.decode(entry.data)) for entry in stored]
        origin = Origin(self._log_id, entries[0][0], entries[-1][0])
        async with self.engine.begin() as connection:
            await self._lock(connection, before)
            state = await self.processor.load(connection, entries)
            facts = [self._decide(state, position, entry) for position, entry in entries]
            output = self._flow.output(origin, self.processor.clock_of(state), stored, facts)
            after = Position(origin.last, await self._publish(before, self._flow.outputs.encode(output)))
            await self.processor.save(connection, state)
            await move_position(connection, self.processor.name, self.partition, before, after)
        self._busy = True
        return self._at(after)

    def _decide(self, state: S, position: int, entry: Any) -> Any:
        facts = self.processor.decide(state, position, entry)
        self.processor.evolve(state, position, entry, facts)
        return facts

    async def _publish(self, before: Position, data: bytes) -> int:
        # The expectation is the stored end, never a read of the tail: whoever else wrote is then refused.
        return await self.log.append(self._target, data, expected_end=before.out_position)

    def _tick_is_due(self) -> bool:
        pause = BUSY_TICK_SECONDS if self._busy else IDLE_TICK_SECONDS
        return self.clock.now() - self._last_tick >= pause * SECOND

    async def _tick(self, before: Position) -> Position:
        """Appends the time as an entry, so that what happens because time passed happens at a position."""
        assert isinstance(self.processor, Ticking)  # noqa: S101 - narrows the type
        async with self.engine.begin() as connection:
            await self._lock(connection, before)
            now = await self.processor.next_tick(connection, self.clock.now())
            tick = Tick(Origin(self._log_id, before.position + 1, before.position), now)
            after = Position(before.position, await self._publish(before, self._flow.outputs.encode(tick)))
            await self.processor.tick(connection, now)
            await move_position(connection, self.processor.name, self.partition, before, after)
        self._last_tick, self._busy = self.clock.now(), False
        return self._at(after)

    async def recover(self, position: Position, until: int | None = None) -> Position:
        """Folds outputs that were published but not committed here (all of them, in a replay).

        `until` is the output position to stop at, the stream's present end by default.
        """
        end = await self.log.end(self._target) if until is None else until
        if position.out_position >= end:
            return position
        async with AsyncExitStack() as stack:
            reader = await stack.enter_async_context(self.log.read(self._target, position.out_position))
            again = None
            if self._flow.embedded is None:
                again = await stack.enter_async_context(self.log.read(self._source, position.position))
            while position.out_position < end:
                room = min(RECOVER_ENTRIES, end - position.out_position)
                stored = await reader.next(max_entries=room, max_bytes=RECOVER_BYTES, wait=BUSY_TICK_SECONDS)
                if stored:
                    position = await self._fold(position, stored, again)
        return position

    async def _fold(self, before: Position, outputs: Sequence[Stored], again: Reader | None) -> Position:
        after = before
        async with self.engine.begin() as connection:
            await self._lock(connection, before)
            for stored in outputs:
                output = self._flow.outputs.decode(stored.data)
                self._check_origin(output.origin, after)
                await self._fold_one(connection, output, again)
                after = Position(output.origin.last, stored.position)
            await move_position(connection, self.processor.name, self.partition, before, after)
        return self._at(after)

    async def _fold_one(self, connection: AsyncConnection, output: Any, again: Reader | None) -> None:
        if isinstance(output, Tick):
            assert isinstance(self.processor, Ticking)  # noqa: S101 - narrows the type
            await self.processor.tick(connection, output.clock)
            return
        entries = await self._inputs(output, again)
        state = await self.processor.load(connection, entries)
        for (position, entry), facts in zip(entries, output.facts, strict=True):
            self.processor.evolve(state, position, entry, facts)
        await self.processor.save(connection, state)

    async def _inputs(self, output: Any, again: Reader | None) -> list[tuple[int, Any]]:
        """The inputs that an output covers: from inside it, or the next ones of `again`."""
        if again is None:
            assert self._flow.embedded is not None  # noqa: S101 - narrows the type
            inside = enumerate(self._flow.embedded(output), output.origin.first)
            return [(position, self._flow.inputs.decode(data)) for position, data in inside]
        found: list[tuple[int, Any]] = []
        while (missing := output.origin.last - output.origin.first + 1 - len(found)) > 0:
            stored = await again.next(max_entries=missing, max_bytes=MAX_ENTRY_BYTES, wait=BUSY_TICK_SECONDS)
            found += [(entry.position, self._flow.inputs.decode(entry.data)) for entry in stored]
        return found

    def _check_origin(self, origin: Origin, at: Position) -> None:
        if origin.log_id != self._log_id or origin.first != at.position + 1:
            raise LogError(
                f"{self._target} {at.out_position + 1} continues {origin}, but "
                f"{self.processor.name} stands at {at.position} of log {self._log_id}: "
                "the output stream belongs to another history"
            )
