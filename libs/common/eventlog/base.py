"""The log as the rest of the code sees it. Two implementations stand: JetStream and memory."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol


class Stored(NamedTuple):
    """One entry of a stream at its position (1, 2, 3, ... without a hole)."""

    position: int
    data: bytes


class LogError(Exception):
    """Something is wrong with the log."""


class LogUnavailable(LogError):
    """The log cannot be reached, or did not say whether it stored the entry: it may be there or not."""


class LogFull(LogError):
    """The log refused the entry: no room, or the entry is too large. It is not stored."""


class WrongExpectation(LogError):
    """The stream's end is not where the writer thought: someone else wrote. The entry is not stored."""


class LogGap(LogError):
    """A position below the stream's end cannot be read: the reader stops rather than skip a fact."""


class Reader(Protocol):
    """Reads one stream from a position on, dense: every entry is the one after the last, or LogGap."""

    async def next(self, *, max_entries: int, max_bytes: int, wait: float) -> Sequence[Stored]:
        """The next entries, at least one unless `wait` seconds pass without any (then empty)."""
        ...


class EventLog(Protocol):
    """Append-only streams with dense positions."""

    async def ensure(self, stream: str) -> None:
        """Creates the stream if it does not exist."""
        ...

    async def log_id(self, stream: str) -> str:
        """The identity that the stream got when it was created; a re-created stream has another one."""
        ...

    async def end(self, stream: str) -> int:
        """The position of the last entry, 0 when empty."""
        ...

    async def append(
        self, stream: str, data: bytes, *, expected_end: int | None = None, message_id: str | None = None
    ) -> int:
        """Stores the entry durably and returns its position.

        `expected_end`: store only if the stream ends there, else WrongExpectation. `message_id`: storing the
        same id again within two minutes stores nothing and returns the first position; so a LogUnavailable
        may be followed by the same call. Raises LogUnavailable, LogFull.
        """
        ...

    def read(self, stream: str, after: int) -> AbstractAsyncContextManager[Reader]:
        """A reader of everything after position `after`."""
        ...


def events_stream(partition: int) -> str:
    """The stream of facts of a partition."""
    return f"EVENTS_{partition}"


def stitched_stream(partition: int) -> str:
    """The stream of identity's decisions of a partition."""
    return f"STITCHED_{partition}"


def segments_stream(partition: int) -> str:
    """The stream of who entered and left which segment, of a partition."""
    return f"SEGMENTS_{partition}"
