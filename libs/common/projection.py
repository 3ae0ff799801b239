"""Projections: state from a stream, exactly once.

A batch of entries and the move of the position row are one transaction, the move a compare-and-set. Delivered
twice, a batch moves nothing the second time; killed anywhere, nothing or all of it happened.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common.consumer import Progress, keep_trying
from libs.common.contracts.registry import Registry
from libs.common.eventlog.base import EventLog, Stored
from libs.common.positions import Position, lock_position, move_position, open_position

BATCH_ENTRIES = 64
BATCH_BYTES = 8 * 1024 * 1024
IDLE_SECONDS = 5.0


class Projection(Protocol):
    """Log entries in, rows out."""

    name: str

    async def apply(self, connection: AsyncConnection, entries: Sequence[tuple[int, Any]]) -> None:
        """Applies (position, entry) pairs, in order, in the caller's transaction; must not commit."""
        ...


@dataclass
class ProjectionConsumer:
    """Keeps one projection of one partition's stream up to date.

    `settle` is for what must follow a commit but cannot be part of it (the vault's overwriting of old keys). It
    is called at every start and after every committed batch, so it must be repeatable.
    """

    log: EventLog
    stream: str
    partition: int
    engine: AsyncEngine
    projection: Projection
    registry: Registry
    settle: Callable[[], Awaitable[None]] | None = None
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        self.progress = Progress(self.projection.name, self.partition, self.stream)

    async def run(self) -> None:
        """See Consumer."""
        await keep_trying(self.progress, self._follow)

    async def catch_up(self) -> int:
        """Applies everything up to the stream's present end and returns the position."""
        end = await self.log.end(self.stream)
        await self._follow(until=end)
        return self.progress.position

    async def catch_up_to(self, live: AsyncConnection) -> None:
        """See replay.Rebuild."""
        target = await lock_position(live, self.projection.name, self.partition)
        await self._follow(until=target.position)

    async def _follow(self, until: int | None = None) -> None:
        position = await self._open()
        await self._settle()
        async with self.log.read(self.stream, position) as reader:
            while until is None or position < until:
                room = BATCH_ENTRIES if until is None else min(BATCH_ENTRIES, until - position)
                stored = await reader.next(max_entries=room, max_bytes=BATCH_BYTES, wait=IDLE_SECONDS)
                if stored:
                    position = await self._apply(position, stored)
                    await self._settle()

    async def _settle(self) -> None:
        if self.settle is not None:
            await self.settle()

    async def _open(self) -> int:
        async with self.engine.begin() as connection:
            found = await open_position(connection, self.projection.name, self.partition, self.log, self.stream)
        self.progress.position = found.position
        self.progress.waiting_for = ""
        return found.position

    async def _apply(self, position: int, stored: Sequence[Stored]) -> int:
        entries = [(entry.position, self.registry.decode(entry.data)) for entry in stored]
        last = entries[-1][0]
        async with self.engine.begin() as connection:
            # Moving first takes the row's lock: a second worker waits here instead of working in vain.
            await move_position(
                connection, self.projection.name, self.partition, Position(position, 0), Position(last, 0)
            )
            await self.projection.apply(connection, entries)
        self.progress.position = last
        return last
