"""Many concurrent callers, one request at a time: what is asked for meanwhile goes into the next request.

Values are cached until they expire, at most `capacity` of them, and can be evicted. A value that was on its
way when something was evicted reaches those who asked for it, but not the cache: it may be of before.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, Protocol, TypeVar


class Expiring(Protocol):
    """Something to cache; `expires` is on the loader's clock, and what has expired is not cached."""

    expires: int


K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Expiring)


class _Batch(Generic[K, V]):
    """Keys of one request, whose `done` tells all who wait; `stale` = do not cache, do not join."""

    __slots__ = ("done", "stale", "values")

    def __init__(self) -> None:
        self.values: dict[K, V | None] = {}
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stale = False


class Loader(Generic[K, V]):
    """Loads values by key; `fetch` answers a list of at most `batch` distinct keys in order."""

    def __init__(
        self,
        fetch: Callable[[list[K]], Awaitable[list[V]]],
        now: Callable[[], int],
        *,
        batch: int,
        capacity: int,
    ) -> None:
        self._fetch, self._now, self._batch, self._capacity = fetch, now, batch, capacity
        self._cache: dict[K, V] = {}
        self._queue: deque[_Batch[K, V]] = deque()
        self._joinable: dict[K, _Batch[K, V]] = {}
        self._runner: asyncio.Task[None] | None = None

    async def load(self, keys: Sequence[K]) -> list[V]:
        """The value of each key, in order. Raises what `fetch` raised."""
        now, cache = self._now(), self._cache
        found: list[V] = []
        for key in keys:
            value = cache.get(key)
            if value is None or value.expires <= now:
                return await self._load_missing(keys, now)
            found.append(value)
        return found

    def evict(self, gone: Callable[[V], bool]) -> None:
        """Drops the cached values for which `gone` holds."""
        self._distrust_what_is_on_its_way()
        for key in [key for key, value in self._cache.items() if gone(value)]:
            del self._cache[key]

    def clear(self) -> None:
        """Drops everything."""
        self._distrust_what_is_on_its_way()
        self._cache.clear()

    def _distrust_what_is_on_its_way(self) -> None:
        for batch in set(self._joinable.values()).difference(self._queue):
            batch.stale = True
        self._joinable = {key: batch for key, batch in self._joinable.items() if not batch.stale}

    async def _load_missing(self, keys: Sequence[K], now: int) -> list[V]:
        found: dict[K, V] = {}
        waiting: dict[K, _Batch[K, V]] = {}
        for key in keys:
            value = self._cache.get(key)
            if value is not None and value.expires > now:
                found[key] = value
            else:
                waiting[key] = self._join(key)
        for batch in dict.fromkeys(waiting.values()):
            await asyncio.shield(batch.done)  # one caller's cancellation is not the others'
        for key, batch in waiting.items():
            value = batch.values[key]
            assert value is not None  # noqa: S101 - done batches are complete
            found[key] = value
        return [found[key] for key in keys]

    def _join(self, key: K) -> _Batch[K, V]:
        batch = self._joinable.get(key)
        if batch is None:
            if not self._queue or len(self._queue[-1].values) >= self._batch:
                self._queue.append(_Batch())
            batch = self._queue[-1]
            batch.values[key] = None
            self._joinable[key] = batch
            if self._runner is None or self._runner.done():
                self._runner = asyncio.create_task(self._run())
        return batch

    async def _run(self) -> None:
        while self._queue:
            batch = self._queue.popleft()
            try:
                keys = list(batch.values)
                batch.values.update(zip(keys, await self._fetch(keys), strict=True))
            except asyncio.CancelledError:
                batch.done.cancel()
                raise
            except Exception as error:
                batch.done.set_exception(error)
                batch.done.exception()  # marks it as seen: all callers may have gone
            else:
                batch.done.set_result(None)
                self._keep(batch)
            finally:
                self._leave(batch)

    def _leave(self, batch: _Batch[K, V]) -> None:
        for key in batch.values:
            if self._joinable.get(key) is batch:
                del self._joinable[key]

    def _keep(self, batch: _Batch[K, V]) -> None:
        now = self._now()
        for key, value in batch.values.items():
            if value is not None and not batch.stale and value.expires > now:
                self._cache[key] = value
        while len(self._cache) > self._capacity:
            del self._cache[next(iter(self._cache))]  # the oldest
