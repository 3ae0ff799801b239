"""The processor rule under every failure between its steps: no gap, no overlap, state = fold of the outputs."""

import asyncio
import random
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common.clock import FixedClock
from libs.common.consumer import passes
from libs.common.contracts.events import EVENTS, SourceCreated
from libs.common.contracts.stitched import STITCHED, Facts, Linked, Stitched
from libs.common.eventlog.base import EventLog, LogError, LogFull, LogUnavailable, Reader, WrongExpectation
from libs.common.eventlog.memory import MemoryLog
from libs.common.positions import Position, positions_table, read_position
from libs.common.processor import STITCHING, ProcessorConsumer, ProcessorReplay
from tests.postgres import PostgresServer

metadata = MetaData()
positions_table(metadata)
counts = Table("counts", metadata, Column("name", Text, primary_key=True), Column("n", BigInteger, nullable=False))


class Counting:
    """Counts entries by name; the fact carries the running count, so a second decision would be visible."""

    name = "counting"
    flow = STITCHING

    async def load(self, connection: AsyncConnection, entries: Sequence[tuple[int, Any]]) -> dict[str, int]:
        return {row.name: row.n for row in await connection.execute(select(counts))}

    def decide(self, state: dict[str, int], position: int, entry: SourceCreated) -> Facts:
        return Facts(linked=[Linked(entry.name.encode(), b"%d" % (state.get(entry.name, 0) + 1))])

    def evolve(self, state: dict[str, int], position: int, entry: SourceCreated, facts: Facts) -> None:
        state[entry.name] = int(facts.linked[0].customer)

    def clock_of(self, state: dict[str, int]) -> int:
        return 0

    async def save(self, connection: AsyncConnection, state: dict[str, int]) -> None:
        for name, n in sorted(state.items()):
            statement = insert(counts).values(name=name, n=n)
            await connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"n": n}))

    async def next_tick(self, connection: AsyncConnection, now: int) -> int:
        return now

    async def tick(self, connection: AsyncConnection, clock: int) -> None:
        statement = insert(counts).values(name="clock", n=clock)
        await connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"n": clock}))


@dataclass
class FaultyLog:
    """A log that fails an append before it stored the entry (lost), after (stored), or stores it only later (late)."""

    inner: EventLog
    faults: list[str] = field(default_factory=list)
    lateness: int = 1
    _late: list[tuple[str, bytes, int | None]] = field(default_factory=list)
    _calls: int = 0

    async def _deliver_late(self) -> None:
        self._calls += 1
        if self._late and self._calls % (self.lateness + 1) == 0:
            stream, data, expected_end = self._late.pop(0)
            with suppress(WrongExpectation):
                await self.inner.append(stream, data, expected_end=expected_end)

    async def ensure(self, stream: str) -> None:
        await self.inner.ensure(stream)

    async def log_id(self, stream: str) -> str:
        await self._deliver_late()
        return await self.inner.log_id(stream)

    async def end(self, stream: str) -> int:
        await self._deliver_late()
        return await self.inner.end(stream)

    def read(self, stream: str, after: int) -> AbstractAsyncContextManager[Reader]:
        return self.inner.read(stream, after)

    async def append(
        self, stream: str, data: bytes, *, expected_end: int | None = None, message_id: str | None = None
    ) -> int:
        fault = self.faults.pop() if self.faults else "none"
        if fault == "late":
            self._late.append((stream, data, expected_end))
        if fault in ("lost", "late"):
            raise LogUnavailable("not stored, and nobody says so")
        position = await self.inner.append(stream, data, expected_end=expected_end, message_id=message_id)
        if fault == "stored":
            raise LogUnavailable("stored, and nobody says so")
        return position


@pytest.fixture
async def engine(postgres: PostgresServer) -> Any:
    async with postgres.empty("counting") as engine:
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        yield engine


async def fill(log: EventLog, n: int, first: int = 0) -> None:
    for number in range(first, first + n):
        await log.append("EVENTS_0", EVENTS.encode(SourceCreated("w", number, "s", f"n{number % 3}", "web", b"")))


async def run_until_done(consumer: ProcessorConsumer[Any], end: int) -> None:
    for _ in range(500):
        try:
            if (await consumer.catch_up()).position >= end:
                return
        except Exception as error:
            if not passes(error):
                raise
    raise AssertionError("the processor never got there")


async def outputs(log: EventLog) -> list[Stitched]:
    found: list[Stitched] = []
    async with log.read("STITCHED_0", 0) as reader:
        while entries := await reader.next(max_entries=100, max_bytes=10**6, wait=0.01):
            found += [STITCHED.decode(entry.data) for entry in entries]
    return found


async def check_exact(log: EventLog, engine: AsyncEngine, n: int) -> None:
    covered = [p for output in await outputs(log) for p in range(output.origin.first, output.origin.last + 1)]
    assert covered == list(range(1, n + 1)), "a gap or an overlap"
    async with engine.connect() as connection:
        found = {row.name: row.n for row in await connection.execute(select(counts))}
        position = await read_position(connection, "counting", 0)
    assert found == {f"n{k}": len(range(k, n, 3)) for k in range(min(n, 3))}
    assert position == Position(n, await log.end("STITCHED_0"))


def consumer_of(log: EventLog, engine: AsyncEngine) -> ProcessorConsumer[dict[str, int]]:
    return ProcessorConsumer(log, 0, engine, Counting(), FixedClock(0))


@pytest.mark.parametrize("seed", range(12))
async def test_an_unclear_append_neither_loses_nor_doubles(engine: AsyncEngine, seed: int) -> None:
    draw = random.Random(seed)
    faults = [draw.choice(["none", "lost", "stored", "late"]) for _ in range(20)]
    log = FaultyLog(MemoryLog(), faults, lateness=seed)
    for end in (10, 20, 30):
        await fill(log.inner, 10, first=end - 10)
        await run_until_done(consumer_of(log, engine), end)
    await check_exact(log, engine, 30)


@pytest.mark.parametrize("mutant", ["no recovery from the output", "expectation read from the tail"])
async def test_the_checks_above_notice_a_processor_without(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch, mutant: str
) -> None:
    async def tail(self: ProcessorConsumer[Any], before: Position, data: bytes) -> int:
        return await self.log.append("STITCHED_0", data, expected_end=await self.log.end("STITCHED_0"))

    async def forget(self: ProcessorConsumer[Any], position: Position, until: int | None = None) -> Position:
        return position

    monkeypatch.setattr(ProcessorConsumer, "_publish", tail)
    if mutant == "no recovery from the output":
        monkeypatch.setattr(ProcessorConsumer, "recover", forget)
    red = 0
    for lateness in range(12):
        log = FaultyLog(MemoryLog(), ["stored", "late", "stored", "late"], lateness)
        async with postgres.empty("counting") as engine:
            async with engine.begin() as connection:
                await connection.run_sync(metadata.create_all)
            try:
                await fill(log.inner, 30)
                await run_until_done(consumer_of(log, engine), 30)
                await fill(log.inner, 30, first=30)
                await run_until_done(consumer_of(log, engine), 60)
                await check_exact(log, engine, 60)
            except (AssertionError, LogError):
                red += 1
    assert red


async def test_entries_whose_output_is_too_large_for_one_entry_are_taken_in_halves(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MemoryLog()
    await fill(log, 20)
    publish = ProcessorConsumer._publish

    async def refuse_large(self: ProcessorConsumer[Any], before: Position, data: bytes) -> int:
        if len(STITCHED.decode(data).entries) > 3:
            raise LogFull("more than the broker takes")
        return await publish(self, before, data)

    monkeypatch.setattr(ProcessorConsumer, "_publish", refuse_large)
    assert (await consumer_of(log, engine).catch_up()).position == 20
    await check_exact(log, engine, 20)


async def test_a_crash_between_publish_and_commit_is_mended_from_the_output(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MemoryLog()
    await fill(log, 5)
    with monkeypatch.context() as broken:

        async def crash(*_: object) -> None:
            raise OSError("killed here")

        broken.setattr(Counting, "save", crash)
        with pytest.raises(OSError, match="killed here"):
            await consumer_of(log, engine).catch_up()
    assert await log.end("STITCHED_0") == 1
    await fill(log, 4)
    await run_until_done(consumer_of(log, engine), 9)
    covered = [p for output in await outputs(log) for p in range(output.origin.first, output.origin.last + 1)]
    assert covered == list(range(1, 10))


async def test_three_workers_at_once_leave_one_history(engine: AsyncEngine) -> None:
    log = FaultyLog(MemoryLog(), ["none", "stored", "lost", "none"] * 5)
    await fill(log.inner, 60)
    await asyncio.gather(*(run_until_done(consumer_of(log, engine), 60) for _ in range(3)))
    await check_exact(log, engine, 60)


async def test_a_replay_folds_the_outputs_and_publishes_nothing(postgres: PostgresServer, engine: AsyncEngine) -> None:
    log = MemoryLog()
    await fill(log, 12)
    await run_until_done(consumer_of(log, engine), 12)
    before = await log.end("STITCHED_0")
    async with postgres.empty("counting") as shadow:
        async with shadow.begin() as connection:
            await connection.run_sync(metadata.create_all)
        await ProcessorReplay(consumer_of(log, shadow)).catch_up()
        await check_exact(log, shadow, 12)
    assert await log.end("STITCHED_0") == before


async def test_an_output_of_another_history_stops_the_processor(engine: AsyncEngine) -> None:
    log = MemoryLog()
    await fill(log, 3)
    await run_until_done(consumer_of(log, engine), 3)
    alien = (await outputs(log))[0]
    await log.append("STITCHED_0", STITCHED.encode(alien))  # covers 1..3 again
    with pytest.raises(LogError, match="another history"):
        await consumer_of(log, engine).catch_up()


async def test_a_position_of_another_log_refuses_to_start(engine: AsyncEngine) -> None:
    first = MemoryLog()
    await fill(first, 3)
    await run_until_done(consumer_of(first, engine), 3)
    with pytest.raises(LogError, match="not the same log"):
        await consumer_of(MemoryLog(), engine).catch_up()


async def test_a_refused_expectation_and_a_full_log_are_no_reason_to_stop() -> None:
    assert passes(WrongExpectation("someone else wrote"))
    assert passes(LogFull("no room; there may be some later"))
    assert not passes(LogError("another history"))
