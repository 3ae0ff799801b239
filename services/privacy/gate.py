"""The vault opens only after it has applied the log up to where it ended when the process started.

A vault restored from a backup is then as forgetful as the one that was lost before anybody asks it for a key,
and one that does not know what the log names never opens.
"""

import asyncio

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.consumer import passes
from libs.common.errors import Unavailable
from libs.common.eventlog.base import EventLog, stitched_stream
from libs.common.positions import read_position
from services.privacy.forgetting import NAME

POLL_SECONDS = 0.1


class Gate:
    """Closed until every partition is applied."""

    def __init__(self, log: EventLog, engine: AsyncEngine, partitions: int) -> None:
        self._log, self._engine, self._partitions = log, engine, partitions
        self._ends: dict[int, int] = {}
        self._reason = "it has not yet looked at the log"

    def must_be_open(self) -> None:
        """Raises Unavailable while closed."""
        if self._reason:
            raise Unavailable(f"the vault is closed: {self._reason}")

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
                self._ends[partition] = await self._log.end(stitched_stream(partition))
            end = self._ends[partition]
            async with self._engine.connect() as connection:
                position = (await read_position(connection, NAME, partition)).position
            if position < end:
                return f"privacy's worker has applied {position} of {end} of {stitched_stream(partition)}"
        return ""
