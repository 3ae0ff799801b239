"""Identity on real PostgreSQL: whatever the batch ranges, the failures and the way of folding, the same tables."""

import asyncio
import random
from collections.abc import Sequence

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.clock import DAY, FixedClock
from libs.common.consumer import passes
from libs.common.contracts.events import EVENTS, EventsEntry
from libs.common.contracts.stitched import STITCHED, Facts, Stitched
from libs.common.digest import digest
from libs.common.eventlog.memory import MemoryLog
from libs.common.positions import open_position
from libs.common.processor import ProcessorConsumer, ProcessorReplay
from services.identity.deduplication import WINDOW, horizon
from services.identity.processor import Identity
from services.identity.state import Slice
from services.identity.tables import metadata
from tests.postgres import Database
from tests.unit.identity.histories import history
from tests.unit.identity.people import START, batch, fold


async def digest_of(engine: AsyncEngine, *leave_out: str) -> str:
    async with engine.connect() as connection:
        return await digest(connection, metadata, leave_out=frozenset(leave_out))


async def fold_in_ranges(
    engine: AsyncEngine, log: MemoryLog, entries: Sequence[EventsEntry], sizes: random.Random
) -> list[Facts]:
    """Loads, folds and saves ranges of random length, each in a transaction of its own."""
    identity, numbered, facts = Identity(0), list(enumerate(entries, 1)), list[Facts]()
    async with engine.begin() as connection:
        await open_position(connection, identity.name, 0, log, "EVENTS_0", "STITCHED_0")
    while numbered:
        size = sizes.choice([1, 2, 5, 20])
        part, numbered = numbered[:size], numbered[size:]
        async with engine.begin() as connection:
            state = await identity.load(connection, part)
            for position, entry in part:
                facts.append(identity.decide(state, position, entry))
                identity.evolve(state, position, entry, facts[-1])
            await identity.save(connection, state)
    return facts


@pytest.mark.parametrize("seed", range(6))
async def test_the_ranges_that_entries_are_folded_in_change_neither_facts_nor_tables(
    database: Database, seed: int
) -> None:
    log, entries = MemoryLog(), history(random.Random(seed), 150)
    in_memory = Slice(await log.log_id("EVENTS_0"))
    expected = [fold(in_memory, position, entry) for position, entry in enumerate(entries, 1)]
    digests = set()
    for ranges in range(3):
        engine = await database("identity")
        assert await fold_in_ranges(engine, log, entries, random.Random(ranges)) == expected
        digests.add(await digest_of(engine))
    assert len(digests) == 1
    # The history must be worth folding.
    for kind in ("merged", "moved", "refused", "erased"):
        assert any(getattr(facts, kind) for facts in expected), kind


async def test_the_tables_hold_what_the_fold_holds(database: Database) -> None:
    log, entries = MemoryLog(), history(random.Random(99), 150)
    state, engine = Slice(await log.log_id("EVENTS_0")), await database("identity")
    for position, entry in enumerate(entries, 1):
        fold(state, position, entry)
    await fold_in_ranges(engine, log, entries, random.Random(0))
    async with engine.connect() as connection:

        async def rows(query: str) -> set[tuple[object, ...]]:
            return {tuple(row) for row in await connection.execute(text(query))}

        assert await rows("SELECT pseudonym, kind, customer, born_position, born_number FROM pseudonyms") == {
            (each, owned.kind, owned.customer, *owned.born) for each, owned in state.pseudonyms.items()
        }
        assert await rows("SELECT binding, customer FROM bindings") == set(state.bindings.items())
        assert await rows("SELECT customer, born_position, born_number FROM customers") == {
            (each, *customer.born) for each, customer in state.customers.items()
        }
        assert await rows("SELECT former, customer, binding, position FROM former_customers") == {
            (each, *former) for each, former in state.former.items()
        }
        assert await rows("SELECT id, request FROM erased") == set(state.erased.items())
        assert await rows("SELECT event_id, at FROM seen") == {
            (each, at) for each, at in state.seen.items() if at >= horizon(state.clock)
        }
        assert await rows("SELECT source, fresh, duplicate, suppressed FROM accounting") == {
            (source, *(booked[outcome] for outcome in range(3))) for (_, source), booked in state.booked.items()
        }


async def fill(log: MemoryLog, entries: Sequence[EventsEntry]) -> None:
    for entry in entries:
        await log.append("EVENTS_0", EVENTS.encode(entry))


def consumer(log: MemoryLog, engine: AsyncEngine, now: int = START) -> ProcessorConsumer[Slice]:
    return ProcessorConsumer(log, 0, engine, Identity(0), FixedClock(now))


async def facts_of(log: MemoryLog) -> list[Facts]:
    async with log.read("STITCHED_0", 0) as reader:
        stored = await reader.next(max_entries=10**6, max_bytes=10**9, wait=0.01)
    outputs = [STITCHED.decode(each.data) for each in stored]
    return [facts for output in outputs if isinstance(output, Stitched) for facts in output.facts]


async def test_a_replay_of_stitched_gives_the_tables_that_live_folding_gave(database: Database) -> None:
    log, entries = MemoryLog(), history(random.Random(7), 200)
    live, rebuilt = await database("identity"), await database("identity")
    for start in range(0, 200, 40):
        await fill(log, entries[start : start + 40])
        await consumer(log, live).catch_up()
    await ProcessorReplay(consumer(log, rebuilt)).catch_up()
    assert await digest_of(rebuilt) == await digest_of(live)


async def test_two_workers_at_once_fold_every_entry_once(database: Database) -> None:
    log, entries = MemoryLog(), history(random.Random(8), 200)
    alone, together = await database("identity"), await database("identity")
    await fill(log, entries)
    other = MemoryLog()
    other._streams["EVENTS_0"] = log._streams["EVENTS_0"]
    await consumer(other, alone).catch_up()

    async def work() -> None:
        while (await log.end("STITCHED_0")) < 4 or not await done():
            try:
                await consumer(log, together).catch_up()
            except Exception as error:
                if not passes(error):
                    raise

    async def done() -> bool:
        return sum(1 for _ in await facts_of(log)) == 200

    await asyncio.gather(work(), work())
    assert await facts_of(log) == await facts_of(other)
    assert await digest_of(together) == await digest_of(alone)


async def test_every_event_sent_twice_changes_only_counts_and_the_clock(database: Database) -> None:
    log, engine = MemoryLog(), await database("identity")
    entries = [batch([(f"{n}", f"u{n % 7} a{n % 5} p{n % 11}")], START + n) for n in range(60)]
    await fill(log, entries)
    await consumer(log, engine).catch_up()
    before = await digest_of(engine, "accounting", "clock")
    await fill(log, entries)
    await consumer(log, engine).catch_up()
    assert await digest_of(engine, "accounting", "clock") == before
    async with engine.connect() as connection:
        booked = await connection.execute(text("SELECT fresh, duplicate, suppressed FROM accounting"))
        assert booked.one() == (60, 60, 0)


async def test_time_that_only_ticks_told_of_is_the_same_in_a_replay(database: Database) -> None:
    log, live, rebuilt = MemoryLog(), await database("identity"), await database("identity")
    await fill(log, [batch([("e", "u1")], START)])
    worker = consumer(log, live)
    position = await worker.catch_up()
    for day in range(1, 9):
        worker.clock = FixedClock(START + day * DAY)
        position = await worker._tick(position)
    async with live.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM seen"))).scalar_one() == 0
        assert (await connection.execute(text("SELECT at FROM clock"))).scalar_one() == START + 8 * DAY
    await ProcessorReplay(consumer(log, rebuilt)).catch_up()
    assert await digest_of(rebuilt) == await digest_of(live)


async def test_what_is_forgotten_depends_on_the_clock_alone(database: Database) -> None:
    """The same entries, folded one by one and all at once, across many prunings."""
    log = MemoryLog()
    entries = [batch([(f"{n}", "u1")], START + n * (WINDOW // 20)) for n in range(60)]
    digests = set()
    for ranges in range(3):
        engine = await database("identity")
        await fold_in_ranges(engine, log, entries, random.Random(ranges))
        digests.add(await digest_of(engine))
    assert len(digests) == 1
