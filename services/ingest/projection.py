"""Sources, accounting and quarantine, folded from EVENTS."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.clock import SECOND
from libs.common.contracts.events import Batch, SourceCreated, SourceDeleted, Tally
from services.ingest import store

NAME = "ingest"
HOUR = 3600 * SECOND
_COUNTS = ("received", "accepted", "rejected", "duplicate", "suppressed")


class IngestProjection:
    """Entries of one partition in, rows out; what is not ingest's (erasures, ...) passes by."""

    name = NAME

    def __init__(self, partition: int) -> None:
        self._partition = partition

    async def apply(self, connection: AsyncConnection, entries: Sequence[tuple[int, Any]]) -> None:
        """See libs.common.projection.Projection."""
        for _, run in groupby(entries, key=lambda entry: isinstance(entry[1], Batch)):
            await self._apply_run(connection, list(run))

    async def _apply_run(self, connection: AsyncConnection, entries: Sequence[tuple[int, Any]]) -> None:
        if isinstance(entries[0][1], Batch):
            await store.add_counts(connection, counts([batch for _, batch in entries]))
            rejects = [row for position, batch in entries for row in self._rejects(position, batch)]
            await store.add_rejects(connection, rejects)
            return
        for _, entry in entries:
            if isinstance(entry, SourceCreated):
                await store.add_sources(connection, [_created(entry)])
            elif isinstance(entry, SourceDeleted):
                await store.delete_source(connection, entry.workspace, entry.source, entry.appended_at)

    def _rejects(self, position: int, batch: Batch) -> list[store.Row]:
        return [
            {
                "partition": self._partition,
                "position": position,
                "idx": idx,
                "workspace": batch.workspace,
                "id": reject.id,
                "source": batch.sources[reject.source],
                "reason": reject.reason,
                "pointer": reject.pointer,
                "detail": reject.detail,
                "received_at": reject.received_at,
                "day": reject.day,
                "suite": batch.suite,
                "sealed": reject.body,
            }
            for idx, reject in enumerate(batch.rejects)
        ]


def counts(batches: Sequence[Batch]) -> list[store.Row]:
    """The tallies of many entries as one sum per workspace, source and hour, in the order of their key."""
    sums: dict[tuple[str, str, int], Counter[str]] = {}
    for batch in batches:
        hour = batch.appended_at // HOUR * HOUR
        for tally in batch.tallies:
            key = (batch.workspace, batch.sources[tally.source], hour)
            sums.setdefault(key, Counter()).update(_tallied(tally))
    return [
        {"workspace": workspace, "source": source, "hour": hour, **{name: total[name] for name in _COUNTS}}
        for (workspace, source, hour), total in sorted(sums.items())
    ]


def _tallied(tally: Tally) -> dict[str, int]:
    return {name: getattr(tally, name) for name in _COUNTS}


def _created(entry: SourceCreated) -> store.Row:
    return {
        "source": entry.source,
        "workspace": entry.workspace,
        "name": entry.name,
        "channel": entry.channel,
        "key_hash": entry.key_hash,
        "created_at": entry.appended_at,
        "deleted_at": None,
    }
