"""Bodies: bounded before and after decompression, in memory only."""

import asyncio
import gzip
import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest

from libs.common.errors import AppError, BadRequest, TooLarge, Unavailable
from services.ingest.reading import Gone, Room, check_announced, inflate, read_body

LIMIT = 100_000


def free(_: int) -> None:
    """Room for everything."""


def receiving(messages: Sequence[dict[str, Any]]) -> Any:
    waiting = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(waiting)

    return receive


def chunks(*parts: bytes) -> list[dict[str, Any]]:
    last = len(parts) - 1
    return [{"type": "http.request", "body": part, "more_body": index < last} for index, part in enumerate(parts)]


async def test_a_body_comes_in_pieces_and_gzip_is_known_by_its_first_bytes() -> None:
    packed = gzip.compress(b"hello") + gzip.compress(b" world")
    assert await read_body(receiving(chunks(b"he", b"llo")), LIMIT, free) == b"hello"
    assert await read_body(receiving(chunks(packed[:1], packed[1:7], packed[7:])), LIMIT, free) == b"hello world"


async def test_a_body_that_grows_beyond_the_limit_is_dropped_while_it_grows() -> None:
    with pytest.raises(TooLarge):
        await read_body(receiving(chunks(b"x" * LIMIT, b"x", b"never read")), LIMIT, free)


async def test_a_client_that_goes_away_in_the_middle_is_gone() -> None:
    with pytest.raises(Gone):
        await read_body(receiving([*chunks(b"x", b"y")[:1], {"type": "http.disconnect"}]), LIMIT, free)


def test_a_gzip_bomb_costs_no_more_memory_than_the_limit() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    assert len(bomb) < LIMIT
    tracemalloc.start()
    with pytest.raises(TooLarge):
        inflate(bomb, LIMIT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * LIMIT


@pytest.mark.parametrize("size", [0, 1, LIMIT - 1, LIMIT])
def test_what_fits_is_inflated(size: int) -> None:
    assert inflate(gzip.compress(b"a" * size), LIMIT) == b"a" * size


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (gzip.compress(b"a" * (LIMIT + 1)), TooLarge),
        (gzip.compress(b"a" * LIMIT) + gzip.compress(b"a"), TooLarge),
        (gzip.compress(b"a")[:-3], BadRequest),
        (b"\x1f\x8b", BadRequest),
        (b"\x1f\x8b\x00garbage", BadRequest),
        (gzip.compress(b"") * 17, BadRequest),
    ],
)
def test_what_does_not_fit_or_is_damaged_is_refused(data: bytes, error: type[AppError]) -> None:
    with pytest.raises(error):
        inflate(data, LIMIT)


def test_the_announced_size_is_checked_before_anything_is_read() -> None:
    check_announced("", LIMIT)
    check_announced(str(LIMIT), LIMIT)
    with pytest.raises(TooLarge):
        check_announced(str(LIMIT + 1), LIMIT)
    for text in ("-1", "1e3", "²", "9" * 5000):
        with pytest.raises(BadRequest):
            check_announced(text, LIMIT)


def test_room_is_taken_by_what_arrives_and_given_back_whatever_happens() -> None:
    room = Room(10)
    with pytest.raises(Unavailable), room.enter() as take:
        take(11)
    with room.enter() as take, room.enter() as other:
        take(4)
        other(6)
        with pytest.raises(Unavailable):
            take(1)
    with room.enter() as take:
        take(10)


async def test_both_the_packed_and_the_plain_body_take_room() -> None:
    taken: list[int] = []
    packed = gzip.compress(b"hello")
    await read_body(receiving(chunks(packed)), LIMIT, taken.append)
    assert taken == [len(packed), 5]


async def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ingest.reading.READ_SECONDS", 0)

    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    waiting = iter([chunks(b"x", b"")[0]])

    async def trickle() -> dict[str, Any]:
        first = next(waiting, None)
        return first if first is not None else await receive()

    with pytest.raises(Unavailable):
        await read_body(trickle, LIMIT, free)
