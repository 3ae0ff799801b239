"""Projections: effect and position are one; a gap stops the reader, a second delivery changes nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, func, literal, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common.contracts.events import EVENTS, SourceDeleted
from libs.common.contracts.registry import UnknownEntry
from libs.common.eventlog.memory import MemoryLog
from libs.common.positions import Overtaken, Position, move_position, positions_table, read_position
from libs.common.projection import ProjectionConsumer
from tests.postgres import PostgresServer

metadata = MetaData()
positions_table(metadata)
seen = Table("seen", metadata, Column("n", BigInteger), Column("position", BigInteger))


class Recording:
    """Inserts one row per entry, without any key that could hide a second time."""

    name = "recording"
    fail_at = 0

    async def apply(self, connection: AsyncConnection, entries: Sequence[tuple[int, Any]]) -> None:
        for position, entry in entries:
            await connection.execute(seen.insert().values(n=entry.appended_at, position=position))
            if position == self.fail_at:
                raise OSError("killed here")


@pytest.fixture
async def engine(postgres: PostgresServer) -> AsyncIterator[AsyncEngine]:
    async with postgres.empty("recording") as engine:
        async with engine.begin() as connection:
            await connection.run_sync(metadata.create_all)
        yield engine


async def fill(log: MemoryLog, n: int) -> None:
    start = await log.end("EVENTS_0")
    for number in range(start, start + n):
        await log.append("EVENTS_0", EVENTS.encode(SourceDeleted("w", number, "s")))


def consumer_of(log: MemoryLog, engine: AsyncEngine, projection: Recording) -> ProjectionConsumer:
    return ProjectionConsumer(log, "EVENTS_0", 0, engine, projection, EVENTS)


async def positions_seen(engine: AsyncEngine) -> list[int]:
    async with engine.connect() as connection:
        return list((await connection.execute(select(seen.c.position).order_by(seen.c.position))).scalars())


async def test_every_entry_is_applied_once_across_restarts(engine: AsyncEngine) -> None:
    log = MemoryLog()
    for _ in range(3):
        await fill(log, 50)
        assert await consumer_of(log, engine, Recording()).catch_up() == await log.end("EVENTS_0")
    assert await positions_seen(engine) == list(range(1, 151))


async def test_a_crash_inside_a_batch_leaves_neither_rows_nor_position(engine: AsyncEngine) -> None:
    log, failing = MemoryLog(), Recording()
    failing.fail_at = 7
    await fill(log, 10)
    with pytest.raises(OSError, match="killed here"):
        await consumer_of(log, engine, failing).catch_up()
    assert await positions_seen(engine) == []
    async with engine.connect() as connection:
        assert await read_position(connection, "recording", 0) == Position(0, 0)


async def test_workers_side_by_side_apply_each_entry_once(engine: AsyncEngine) -> None:
    log = MemoryLog()
    await fill(log, 300)

    async def work() -> None:
        while True:
            try:
                await consumer_of(log, engine, Recording()).catch_up()
                return
            except Overtaken:
                continue

    await asyncio.gather(work(), work(), work())
    assert await positions_seen(engine) == list(range(1, 301))


async def test_the_checks_above_notice_a_projection_that_commits_without_its_position(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def stay(*_: object) -> None:
        return None

    monkeypatch.setattr("libs.common.projection.move_position", stay)
    log = MemoryLog()
    await fill(log, 50)
    for _ in range(2):
        await consumer_of(log, engine, Recording()).catch_up()
    assert await positions_seen(engine) != list(range(1, 51))


async def test_a_second_delivery_of_a_batch_moves_nothing(engine: AsyncEngine) -> None:
    log = MemoryLog()
    await fill(log, 5)
    await consumer_of(log, engine, Recording()).catch_up()
    with pytest.raises(Overtaken):
        async with engine.begin() as connection:
            await move_position(connection, "recording", 0, Position(0, 0), Position(5, 0))
    assert await positions_seen(engine) == [1, 2, 3, 4, 5]


async def test_an_entry_newer_than_this_build_stops_the_consumer(engine: AsyncEngine) -> None:
    log = MemoryLog()
    await log.append("EVENTS_0", b"\x93\xa5batch\x63\x90")  # ["batch", 99, []]
    with pytest.raises(UnknownEntry, match="upgrade the reader"):
        await consumer_of(log, engine, Recording()).catch_up()
    async with engine.connect() as connection:
        assert (await connection.execute(select(func.count()).select_from(seen))).scalar() == 0


async def test_what_fails_in_the_database_is_told_without_its_values(engine: AsyncEngine) -> None:
    """Consumers show why they wait on /readyz, which anybody may read."""
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError) as failed:
            await connection.execute(select(func.length(literal("+8613912345678")) / literal(0)))
    assert "SELECT" in str(failed.value)
    assert "13912345678" not in str(failed.value)
