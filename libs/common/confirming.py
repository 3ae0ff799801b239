"""Saying that an erasure was carried out: an outbox row in the transaction that erased, then an entry of EVENTS.

A service notes what it deleted while it folds an `erased` fact; its worker runs a Confirmer beside its consumers,
which appends `ErasureConfirmed` and marks the row. Killed in between it appends again: whoever counts takes the
first. The rows are no projection: a replay keeps them (`KEPT`), so that it confirms nothing twice.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import asyncpg
import msgspec
from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Text, text
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.clock import Clock
from libs.common.consumer import Progress, keep_trying
from libs.common.contracts.events import EVENTS, ErasureConfirmed
from libs.common.eventlog.base import EventLog, events_stream

TABLE = "confirmations"
KEPT = (TABLE,)
EXPECTED = ("identity", "insights", "privacy", "profile", "segments", "vault")
"""Who must have confirmed before an erasure is complete: every service that keeps something of people."""

POLL_SECONDS, STOP_SECONDS = 0.2, 2.0

_NOTE = """
INSERT INTO confirmations (request, workspace, partition, counts, noted_at, sent)
VALUES ($1, $2, $3, $4, (extract(epoch FROM now()) * 1000000)::bigint, false) ON CONFLICT (request) DO NOTHING
"""
_UNSENT = "SELECT request, workspace, partition, counts FROM confirmations WHERE NOT sent ORDER BY noted_at LIMIT 100"
_SENT = "UPDATE confirmations SET sent = true WHERE request = :request"


def confirmations_table(metadata: MetaData) -> Table:
    """The outbox that every schema with something of people has."""
    table = Table(
        TABLE,
        metadata,
        Column("request", Text, primary_key=True),
        Column("workspace", Text, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("counts", Text, nullable=False),  # JSON: what was deleted, by its name
        Column("noted_at", BigInteger, nullable=False),  # the database's clock: only an order
        Column("sent", Boolean, nullable=False),
    )
    Index("confirmations_unsent", table.c.noted_at, postgresql_where=text("NOT sent"))
    return table


async def note(
    driver: asyncpg.Connection, request: str, workspace: str, counts: Mapping[str, int], partition: int = 0
) -> None:
    """Notes, in the caller's transaction, that the request was carried out here; the first note stays.

    To be called for every `erased` fact, also when nothing of the person was here: zeros are an answer.
    """
    await driver.execute(_NOTE, request, workspace, partition, msgspec.json.encode(dict(counts)).decode())


async def _whole(step: "asyncio.Future[int]") -> None:
    """Awaits a step; when cancelled, lets it end first: a connection that is cut off while it opens would leak."""
    try:
        await asyncio.shield(step)
    except asyncio.CancelledError:
        await asyncio.wait([step], timeout=STOP_SECONDS)
        step.cancel()
        raise


@dataclass
class Confirmer:
    """Publishes what was noted, at least once; a reactor of a worker (see worker.Consumers)."""

    log: EventLog
    engine: AsyncEngine
    service: str
    clock: Clock
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        self.progress = Progress(f"{self.service}-confirmer", 0, "")

    async def run(self) -> None:
        """See Consumer."""
        await keep_trying(self.progress, self._follow)

    async def _follow(self) -> None:
        while True:
            await _whole(asyncio.ensure_future(self.publish()))
            self.progress.waiting_for = ""
            await asyncio.sleep(POLL_SECONDS)

    async def publish(self) -> int:
        """Appends what is not sent yet, and says how many entries that were. Raises LogUnavailable."""
        async with self.engine.connect() as connection:
            unsent = (await connection.execute(text(_UNSENT))).all()
        for request, workspace, partition, counts in unsent:
            decoded = msgspec.json.decode(counts, type=dict[str, int])
            entry = ErasureConfirmed(workspace, self.clock.now(), request, self.service, decoded)
            stream, message_id = events_stream(partition), f"{request}:{self.service}"
            await self.log.append(stream, EVENTS.encode(entry), message_id=message_id)
            async with self.engine.begin() as connection:
                await connection.execute(text(_SENT), {"request": request})
        return len(unsent)
