"""One suite of what an event log promises, run by every implementation."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from libs.common.eventlog.base import EventLog, LogFull, WrongExpectation
from libs.common.eventlog.jetstream import JetStreamLog, connect
from libs.common.eventlog.memory import MemoryLog

_partitions = itertools.count(100)


@pytest.fixture(params=["memory", "jetstream"])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[EventLog]:
    if request.param == "memory":
        yield MemoryLog()
        return
    async with connect(request.getfixturevalue("nats_url"), "test") as client:
        yield JetStreamLog(client)


@pytest.fixture
async def stream(log: EventLog) -> str:
    name = f"EVENTS_{next(_partitions)}"
    await log.ensure(name)
    return name


async def read_all(log: EventLog, stream: str, after: int = 0) -> list[tuple[int, bytes]]:
    found: list[tuple[int, bytes]] = []
    async with log.read(stream, after) as reader:
        while entries := await reader.next(max_entries=7, max_bytes=10_000, wait=0.2):
            found.extend(entries)
    return found


async def test_positions_are_dense_and_start_at_one(log: EventLog, stream: str) -> None:
    assert [await log.append(stream, b"%d" % number) for number in range(20)] == list(range(1, 21))
    assert await read_all(log, stream) == [(number + 1, b"%d" % number) for number in range(20)]


async def test_a_reader_starts_after_its_position(log: EventLog, stream: str) -> None:
    for number in range(5):
        await log.append(stream, b"%d" % number)
    assert await read_all(log, stream, after=3) == [(4, b"3"), (5, b"4")]


async def test_a_reader_waits_for_what_comes_later(log: EventLog, stream: str) -> None:
    async with log.read(stream, 0) as reader:
        coming = asyncio.create_task(_first(reader.next(max_entries=5, max_bytes=1000, wait=10)))
        await log.append(stream, b"late")
        assert await coming == [(1, b"late")]


async def _first(entries: object) -> object:
    return list(await entries)  # type: ignore[misc]


async def test_a_reader_returns_nothing_when_nothing_comes(log: EventLog, stream: str) -> None:
    async with log.read(stream, 0) as reader:
        assert list(await reader.next(max_entries=5, max_bytes=1000, wait=0.05)) == []


async def test_max_bytes_bounds_a_read_but_never_starves_it(log: EventLog, stream: str) -> None:
    for size in (600, 600, 2000, 10):
        await log.append(stream, b"x" * size)
    await read_all(log, stream)
    async with log.read(stream, 0) as reader:
        sizes: list[list[int]] = []
        while entries := await reader.next(max_entries=10, max_bytes=1000, wait=0.2):
            sizes.append([len(entry.data) for entry in entries])
    assert [size for read in sizes for size in read] == [600, 600, 2000, 10]
    assert all(len(read) == 1 or sum(read) <= 1000 for read in sizes)


async def test_a_wrong_expectation_stores_nothing(log: EventLog, stream: str) -> None:
    await log.append(stream, b"first", expected_end=0)
    with pytest.raises(WrongExpectation):
        await log.append(stream, b"second", expected_end=0)
    assert await log.end(stream) == 1
    assert await log.append(stream, b"second", expected_end=1) == 2


async def test_the_same_message_id_is_stored_once(log: EventLog, stream: str) -> None:
    assert await log.append(stream, b"once", message_id="m1") == 1
    assert await log.append(stream, b"other", message_id="m2") == 2
    assert await log.append(stream, b"once", message_id="m1") == 1
    assert await log.end(stream) == 2


async def test_an_entry_beyond_the_limit_is_refused_and_not_stored(log: EventLog, stream: str) -> None:
    with pytest.raises(LogFull):
        await log.append(stream, b"x" * (4 * 1024 * 1024 + 1))
    assert await log.end(stream) == 0


async def test_a_log_keeps_its_id(log: EventLog, stream: str) -> None:
    first = await log.log_id(stream)
    await log.append(stream, b"entry")
    await log.ensure(stream)
    assert await log.log_id(stream) == first
    other = f"EVENTS_{next(_partitions)}"
    await log.ensure(other)
    assert await log.log_id(other) != first
