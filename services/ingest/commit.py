"""Group commit: concurrent requests share entries of the log, and each is answered when its own are durable.

One publish is under way at a time; what arrives meanwhile, or within a window of a few milliseconds, goes into the
next entry. So a request's events keep their order, also across entries, and an identity worker reads hundreds of
events an entry instead of one.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from time import monotonic, perf_counter
from typing import NamedTuple

import structlog

from libs.common.clock import Clock
from libs.common.contracts.events import EVENTS, MAX_ENTRY_BYTES, MAX_EVENTS_PER_ENTRY
from libs.common.errors import Unavailable
from libs.common.eventlog.base import EventLog, LogFull, LogUnavailable
from libs.common.ids import new_id
from services.ingest import metrics
from services.ingest.entries import Piece, Writing, size_of
from services.ingest.faults import describe

_RETRY_SECONDS = 0.1
_ROOM_FOR_HEAD = 4096


class Work:
    """What one request wants written: pieces in order, and the future of its answer."""

    __slots__ = ("bytes", "done", "pieces", "source", "taken")

    def __init__(self, source: str, pieces: Sequence[Piece]) -> None:
        self.source, self.pieces = source, pieces
        self.bytes = sum(map(size_of, pieces))
        self.taken = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(self, error: Exception) -> None:
        """Answers the request, which may have gone away."""
        if not self.done.done():
            self.done.set_exception(error)

    def succeed(self) -> None:
        """Answers the request, which may have gone away."""
        if not self.done.done():
            self.done.set_result(None)


class Bounds(NamedTuple):
    """Limits of one committer; times in seconds."""

    events: int = 20_000
    bytes: int = 64 * 1024 * 1024
    window: float = 0.002
    append: float = 8.0


class Committer:
    """Writes one workspace's events to one stream."""

    def __init__(
        self, log: EventLog, stream: str, workspace: str, suite: str, clock: Clock, bounds: Bounds | None = None
    ) -> None:
        self._log, self._stream, self._clock = log, stream, clock
        self._workspace, self._suite = workspace, suite
        self._bounds = bounds or Bounds()
        self._queue: deque[Work] = deque()
        self._events = self._bytes = 0
        self._arrived = asyncio.Event()
        self._stopped = False
        metrics.QUEUED.set_function(lambda: self._events)

    async def submit(self, source: str, pieces: Sequence[Piece]) -> None:
        """Returns when all pieces are durable. Raises Unavailable when they are not known to be."""
        if not pieces:
            return
        if self._stopped:
            raise Unavailable("this process is stopping")
        work = Work(source, pieces)
        if self._events + len(pieces) > self._bounds.events or self._bytes + work.bytes > self._bounds.bytes:
            raise Unavailable("the queue to the log is full")
        self._queue.append(work)
        self._count(len(pieces), work.bytes)
        self._arrived.set()
        await work.done

    async def run(self) -> None:
        """Writes until cancelled; whoever still waits then is told that nothing was stored."""
        try:
            while True:
                await self._arrived.wait()
                if self._events < MAX_EVENTS_PER_ENTRY // 2:
                    await asyncio.sleep(self._bounds.window)
                await self._write_one()
        finally:
            self._stopped = True
            self._drop_all(Unavailable("this process is stopping"))

    async def _write_one(self) -> None:
        writing, finished = self._take()
        try:
            data = EVENTS.encode(writing.batch(self._workspace, self._clock.now(), self._suite))
            await self._append(data)
        except LogFull as error:
            self._give_up(finished, Unavailable(f"the log refuses entries: {error}", retry_after=5))
        except LogUnavailable:
            self._give_up(finished, Unavailable("the log is away; nothing was acknowledged", retry_after=2))
        except BaseException as error:
            self._give_up(finished, Unavailable("the entry was not written; nothing was acknowledged"))
            if not isinstance(error, Exception):
                raise
            structlog.get_logger().error("an entry could not be written", error=describe(error))
        else:
            metrics.entry_written(writing.tallies(), len(data))
            for work in finished:
                work.succeed()

    def _take(self) -> tuple[Writing, list[Work]]:
        """The next entry, and the requests that are complete with it."""
        writing = Writing(MAX_EVENTS_PER_ENTRY, MAX_ENTRY_BYTES - _ROOM_FOR_HEAD)
        finished: list[Work] = []
        while self._queue:
            work = self._queue[0]
            before = work.taken
            while work.taken < len(work.pieces) and writing.add(work.source, work.pieces[work.taken]):
                work.taken += 1
            self._count(before - work.taken, 0)
            if work.taken < len(work.pieces):
                break
            self._count(0, -work.bytes)
            finished.append(self._queue.popleft())
        if not self._queue:
            self._arrived.clear()
        return writing, finished

    async def _append(self, data: bytes) -> None:
        """Stores the entry once, however often it must be sent: the message id is the same each time."""
        message_id = new_id()
        deadline = monotonic() + self._bounds.append
        while True:
            started = perf_counter()
            try:
                await self._log.append(self._stream, data, message_id=message_id)
            except LogUnavailable:
                if monotonic() + _RETRY_SECONDS > deadline:
                    raise
                metrics.APPEND_RETRIES.inc()
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                metrics.PUBLISH_SECONDS.observe(perf_counter() - started)
                return

    def _give_up(self, finished: list[Work], error: Exception) -> None:
        """The log is away: whoever waits behind would only wait as long again."""
        for work in finished:
            work.fail(error)
        self._drop_all(error)

    def _drop_all(self, error: Exception) -> None:
        while self._queue:
            self._queue.popleft().fail(error)
        self._events = self._bytes = 0
        self._arrived.clear()

    def _count(self, events: int, size: int) -> None:
        self._events += events
        self._bytes += size
