import asyncio
from dataclasses import dataclass

import pytest

from libs.common.dataloader import Loader


@dataclass
class Value:
    text: str
    expires: int = 60


class Source:
    """Answers requests one by one, as the test lets it."""

    def __init__(self) -> None:
        self.now = 0
        self.requests: list[list[str]] = []
        self.version = "a"
        self.gates: asyncio.Queue[Exception | None] = asyncio.Queue()
        self.expires = 60

    async def fetch(self, keys: list[str]) -> list[Value]:
        self.requests.append(keys)
        values = [Value(f"{key}.{self.version}", self.expires) for key in keys]
        error = await self.gates.get()
        if error is not None:
            raise error
        return values

    def answer(self, error: Exception | None = None) -> None:
        self.gates.put_nowait(error)

    def loader(self, batch: int = 10, capacity: int = 10) -> Loader[str, Value]:
        return Loader(self.fetch, lambda: self.now, batch=batch, capacity=capacity)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def texts(loader: Loader[str, Value], *keys: str) -> list[str]:
    return [value.text for value in await loader.load(keys)]


async def test_calls_made_while_a_request_is_under_way_share_the_next_one() -> None:
    source = Source()
    loader = source.loader()
    calls = [asyncio.create_task(texts(loader, "x"))]
    await settle()
    calls += [asyncio.create_task(texts(loader, *keys)) for keys in ("yz", "zx", "w")]
    await settle()
    source.answer()
    source.answer()
    assert await asyncio.gather(*calls) == [["x.a"], ["y.a", "z.a"], ["z.a", "x.a"], ["w.a"]]
    assert source.requests == [["x"], ["y", "z", "w"]]


async def test_a_request_holds_at_most_a_batch_of_keys() -> None:
    source = Source()
    call = asyncio.create_task(texts(source.loader(batch=2), *"abcde"))
    for _ in range(3):
        source.answer()
    assert await call == ["a.a", "b.a", "c.a", "d.a", "e.a"]
    assert source.requests == [["a", "b"], ["c", "d"], ["e"]]


async def test_values_are_cached_until_they_expire() -> None:
    source = Source()
    loader = source.loader()
    source.answer()
    await texts(loader, "x")
    source.now = 59
    assert await texts(loader, "x", "x") == ["x.a", "x.a"]
    source.now, source.version = 60, "b"
    source.expires = 120
    source.answer()
    assert await texts(loader, "x") == ["x.b"]
    assert source.requests == [["x"], ["x"]]


async def test_values_that_expired_on_the_way_are_not_cached() -> None:
    source = Source()
    source.expires = 0
    loader = source.loader()
    for _ in range(2):
        source.answer()
        await texts(loader, "x")
    assert source.requests == [["x"], ["x"]]


async def test_the_cache_is_bounded() -> None:
    source = Source()
    loader = source.loader(capacity=2)
    source.answer()
    await texts(loader, *"abc")
    assert await texts(loader, "b", "c") == ["b.a", "c.a"]
    source.answer()
    await texts(loader, "a")
    assert source.requests == [["a", "b", "c"], ["a"]]


async def test_evicted_values_are_loaded_again_and_others_stay() -> None:
    source = Source()
    loader = source.loader()
    source.answer()
    await texts(loader, *"ab")
    source.version = "b"
    loader.evict(lambda value: value.text == "a.a")
    source.answer()
    assert await texts(loader, *"ab") == ["a.b", "b.a"]
    loader.clear()
    source.answer()
    assert await texts(loader, *"ab") == ["a.b", "b.b"]


async def test_what_was_on_its_way_during_an_eviction_is_neither_cached_nor_joined() -> None:
    source = Source()
    loader = source.loader()
    early = asyncio.create_task(texts(loader, "x"))
    await settle()
    loader.evict(lambda _: False)
    source.version = "b"
    late = asyncio.create_task(texts(loader, "x"))
    await settle()
    source.answer()
    source.answer()
    assert (await early, await late) == (["x.a"], ["x.b"])
    assert await texts(loader, "x") == ["x.b"]
    assert len(source.requests) == 2


async def test_an_error_reaches_everyone_who_waited_and_the_next_call_tries_again() -> None:
    source = Source()
    loader = source.loader()
    calls = [asyncio.create_task(texts(loader, "x")) for _ in range(2)]
    source.answer(ConnectionError("away"))
    assert [str(error) for error in await asyncio.gather(*calls, return_exceptions=True)] == ["away", "away"]
    source.answer()
    assert await texts(loader, "x") == ["x.a"]


async def test_a_cancelled_caller_does_not_take_the_others_along() -> None:
    source = Source()
    loader = source.loader()
    hasty, patient = (asyncio.create_task(texts(loader, "x")) for _ in range(2))
    await settle()
    hasty.cancel()
    source.answer()
    assert await patient == ["x.a"]
    with pytest.raises(asyncio.CancelledError):
        await hasty
