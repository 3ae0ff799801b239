"""What every consumer of the log shares: its progress, and what it does when something fails.

What mends itself (the log or the database is away or full, another worker was faster) is tried again with backoff;
everything else stops the consumer, which then says why on /readyz. A fact is never skipped.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

import asyncpg
import structlog
from sqlalchemy.exc import DBAPIError

from libs.common.errors import Unavailable
from libs.common.eventlog.base import LogFull, LogUnavailable, WrongExpectation
from libs.common.positions import Overtaken

FIRST_BACKOFF_SECONDS, LAST_BACKOFF_SECONDS = 0.05, 2.0

# SQLSTATE classes that pass: connection, transaction rollback, resources, operator intervention, system error.
_PASSING_SQLSTATES = ("08", "40", "53", "57", "58")


@dataclass
class Progress:
    """How far a consumer is; `error` is set when it has stopped."""

    consumer: str
    partition: int
    stream: str
    position: int = 0
    out_position: int = 0
    waiting_for: str = ""
    error: str = ""


class Consumer(Protocol):
    """Reads a stream until it is cancelled."""

    progress: Progress

    async def run(self) -> None:
        """Runs until cancelled. Raises what a new try cannot mend."""
        ...


def passes(error: BaseException) -> bool:
    """Whether the same step may succeed later without anybody's help."""
    if isinstance(error, LogUnavailable | LogFull | WrongExpectation | Overtaken | Unavailable):
        return True
    if isinstance(error, OSError | TimeoutError):
        return True
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or error.orig is None or passes(error.orig)
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return state.startswith(_PASSING_SQLSTATES)
    return isinstance(error, asyncpg.InterfaceError | asyncpg.PostgresConnectionError)


async def keep_trying(progress: Progress, step: Callable[[], Awaitable[Any]]) -> None:
    """Calls `step`, which runs until it fails, again and again; raises what does not pass."""
    log = structlog.get_logger().bind(consumer=progress.consumer, partition=progress.partition)
    backoff = FIRST_BACKOFF_SECONDS
    while True:
        before = progress.position
        try:
            await step()
        except Exception as error:
            if not passes(error):
                raise
            progress.waiting_for = f"{type(error).__name__}: {error}"[:300]
            log.warning("consumer waits", reason=progress.waiting_for)
        backoff = FIRST_BACKOFF_SECONDS if progress.position > before else min(backoff * 2, LAST_BACKOFF_SECONDS)
        await asyncio.sleep(backoff)
