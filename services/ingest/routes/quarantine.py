"""What was refused and why, and the accounting of everything that came in."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from sqlalchemy import RowMapping

from libs.common.clock import iso
from libs.common.errors import BadRequest
from libs.common.positions import read_position
from services.ingest import projection, sources, store, timestamps
from services.ingest.resources import Ingest
from services.ingest.routes.sources import Admin
from services.ingest.schemas import Accounting, Count, Quarantine, Reject

router = APIRouter(prefix="/v1", tags=["quarantine"])
SourceName = Annotated[str | None, Query(description="A source's id or name; all when left out")]


@router.get("/quarantine")
async def quarantine(
    ingest: Admin,
    source: SourceName = None,
    before: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Quarantine:
    """Refused events, newest first. Their bodies stay sealed."""
    wanted = await _id(ingest, source)
    async with ingest.engine.connect() as connection:
        rows = await store.list_rejects(connection, ingest.settings.workspace, wanted, _place(before), limit)
    last = rows[-1] if len(rows) == limit else None
    return Quarantine(
        rejects=[
            Reject(
                id=row["id"].hex(),
                received_at=iso(row["received_at"]),
                **{name: row[name] for name in ("source", "reason", "pointer", "detail", "day")},
            )
            for row in rows
        ],
        next=f"{last['partition']}-{last['position']}-{last['idx']}" if last else None,
    )


@router.get("/accounting")
async def accounting(
    ingest: Admin, source: SourceName = None, since: str | None = None, by_hour: bool = False
) -> Accounting:
    """What each source sent: received = accepted + rejected + duplicate + suppressed."""
    wanted, start = await _id(ingest, source), _since(since)
    partition = (await ingest.vault.workspace()).partition
    async with ingest.engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        at = await read_position(connection, projection.NAME, partition)
        totals = await store.totals(connection, ingest.settings.workspace, wanted, start)
        hours = await store.hours(connection, ingest.settings.workspace, wanted, start) if by_hour else []
    return Accounting(position=at.position, totals=_counts(totals), hours=_counts(hours))


def _counts(rows: Sequence[RowMapping]) -> list[Count]:
    return [Count(**{**row, "hour": iso(row["hour"])}) if "hour" in row else Count(**row, hour=None) for row in rows]


async def _id(ingest: Ingest, source: str | None) -> str | None:
    return None if source is None else str((await sources.resolve(ingest, source))["source"])


def _place(before: str | None) -> store.Place | None:
    if before is None:
        return None
    try:
        return store.Place(*(int(part) for part in before.split("-")))
    except (TypeError, ValueError):
        raise BadRequest("`before` must be the `next` of an earlier page") from None


def _since(text: str | None) -> int:
    try:
        return 0 if text is None else timestamps.parse(text) // projection.HOUR * projection.HOUR
    except ValueError:
        raise BadRequest("`since` must be a time such as 2026-01-31T08:00:00Z") from None
