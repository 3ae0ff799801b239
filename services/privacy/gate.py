"""What must not answer too early: it opens after the log is applied up to where it ended when the process started.

A vault restored from a backup is then as forgetful as the one that was lost before anybody asks it for a key,
and one that does not know what the log names never opens. Nor are people's decisions told before all are known.
"""

import asyncio
from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.consumer import passes
from libs.common.errors import Unavailable
from libs.common.eventlog.base import EventLog, stitched_stream
from libs.common.positions import read_position
from services.privacy.forgetting import NAME

POLL_SECONDS = 0.1


class Gate:
    """Closed until every partition is applied."""

    def __init__(
        self,
        log: EventLog,
        engine: AsyncEngine,
        partitions: int,
        *,
        what: str = "the vault is closed",
        consumer: str = NAME,
        stream: Callable[[int], str] = stitched_stream,
    ) -> None:
        self._log, self._engine, self._partitions = log, engine, partitions
        self._what, self._consumer, self._stream = what, consumer, stream
        self._ends: dict[int, int] = {}
        self._reason = "it has not yet looked at the log"

    def must_be_open(self) -> None:
        """Raises Unavailable while closed."""
        if self._reason:
            raise Unavailable(f"{self._what}: {self._reason}")

    async def watch(self) -> None:
        """Opens the gate when it is time."""
        while self._reason:
            try:
                self._reason = await self._missing()
            except Exception as error:
                if not passes(error):
                    self._reason = f"{type(error).__name__}: {error}"
                    raise
            if self._reason:
                await asyncio.sleep(POLL_SECONDS)

    async def _missing(self) -> str:
        for partition in range(self._partitions):
            if partition not in self._ends:
                self._ends[partition] = await self._log.end(self._stream(partition))
            end = self._ends[partition]
            async with self._engine.connect() as connection:
                position = (await read_position(connection, self._consumer, partition)).position
            if position < end:
                return f"privacy's worker has applied {position} of {end} of {self._stream(partition)}"
        return ""
