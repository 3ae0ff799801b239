"""Time as an argument, so that a replay or a test decides what time it is."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

MICROSECOND = 1
SECOND = 1_000_000
DAY = 86_400 * SECOND


class Clock(Protocol):
    """Tells the time in microseconds since the Unix epoch, UTC."""

    def now(self) -> int: ...


class SystemClock:
    """The host's wall clock."""

    def now(self) -> int:
        return time.time_ns() // 1000


@dataclass
class FixedClock:
    """A clock that a test sets and moves."""

    at: int

    def now(self) -> int:
        return self.at


def iso(micros: int) -> str:
    """RFC 3339 in UTC with microseconds."""
    return datetime.fromtimestamp(micros / SECOND, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def day_of(micros: int) -> str:
    """The UTC day as YYYY-MM-DD."""
    return datetime.fromtimestamp(micros // SECOND, UTC).strftime("%Y-%m-%d")
