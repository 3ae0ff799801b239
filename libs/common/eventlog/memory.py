"""The log in memory: the twin that integration tests use; it passes the same contract suite as JetStream."""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from libs.common.contracts.events import MAX_ENTRY_BYTES
from libs.common.eventlog.base import LogFull, Reader, Stored, WrongExpectation

MAX_PAYLOAD = 4 * MAX_ENTRY_BYTES


class _Stream:
    def __init__(self) -> None:
        self.id = secrets.token_hex(16)
        self.entries: list[bytes] = []
        self.by_message_id: dict[str, int] = {}


class MemoryLog:
    """EventLog without a broker."""

    def __init__(self) -> None:
        self._streams: defaultdict[str, _Stream] = defaultdict(_Stream)
        self._grown = asyncio.Condition()

    async def ensure(self, stream: str) -> None:
        """Creates the stream."""
        self._streams[stream]

    async def log_id(self, stream: str) -> str:
        """The stream's identity."""
        return self._streams[stream].id

    async def end(self, stream: str) -> int:
        """The last position."""
        return len(self._streams[stream].entries)

    async def append(
        self, stream: str, data: bytes, *, expected_end: int | None = None, message_id: str | None = None
    ) -> int:
        """Appends; see EventLog."""
        if len(data) > MAX_PAYLOAD:
            raise LogFull(f"the entry has {len(data)} bytes, {MAX_PAYLOAD} is the limit")
        log = self._streams[stream]
        if expected_end is not None and expected_end != len(log.entries):
            raise WrongExpectation(f"{stream} ends at {len(log.entries)}, not at {expected_end}")
        if message_id is not None and message_id in log.by_message_id:
            return log.by_message_id[message_id]
        log.entries.append(bytes(data))
        position = len(log.entries)
        if message_id is not None:
            log.by_message_id[message_id] = position
        async with self._grown:
            self._grown.notify_all()
        return position

    @asynccontextmanager
    async def read(self, stream: str, after: int) -> AsyncIterator[Reader]:
        """A reader after a position."""
        yield _MemoryReader(self._streams[stream], self._grown, after)


class _MemoryReader:
    def __init__(self, stream: _Stream, grown: asyncio.Condition, after: int) -> None:
        self._stream, self._grown, self._position = stream, grown, after

    async def next(self, *, max_entries: int, max_bytes: int, wait: float) -> Sequence[Stored]:
        """The next entries, or none after `wait` seconds."""
        try:
            async with asyncio.timeout(wait), self._grown:
                await self._grown.wait_for(lambda: len(self._stream.entries) > self._position)
        except TimeoutError:
            return []
        taken: list[Stored] = []
        size = 0
        for data in self._stream.entries[self._position : self._position + max_entries]:
            size += len(data)
            if taken and size > max_bytes:
                break
            self._position += 1
            taken.append(Stored(self._position, data))
        return taken
