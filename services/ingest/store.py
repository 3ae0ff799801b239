"""All SQL of the service. Every function takes a connection; none commits."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import RowMapping, Select, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.ingest.tables import accounting, quarantine, sources

_COUNTS = ("received", "accepted", "rejected", "duplicate", "suppressed")
Row = dict[str, Any]
_NEW_COUNTS = insert(accounting)
_ADD_COUNTS = _NEW_COUNTS.on_conflict_do_update(
    index_elements=[accounting.c.workspace, accounting.c.source, accounting.c.hour],
    set_={name: accounting.c[name] + _NEW_COUNTS.excluded[name] for name in _COUNTS},
)


class Place(NamedTuple):
    """Where a quarantined event stands; pages of the list go from a place downwards."""

    partition: int
    position: int
    idx: int


async def add_sources(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Adds sources; one that is there already stays as it is."""
    if rows:
        await connection.execute(insert(sources).on_conflict_do_nothing(), rows)


async def delete_source(connection: AsyncConnection, workspace: str, source: str, at: int) -> None:
    """Marks a source deleted, once."""
    await connection.execute(
        update(sources)
        .where((sources.c.workspace == workspace) & (sources.c.source == source) & sources.c.deleted_at.is_(None))
        .values(deleted_at=at)
    )


async def add_counts(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Adds to the accounting, one row per workspace, source and hour, in the rows' order."""
    if rows:
        await connection.execute(_ADD_COUNTS, rows)


async def add_rejects(connection: AsyncConnection, rows: Sequence[Row]) -> None:
    """Keeps refused events."""
    if rows:
        await connection.execute(insert(quarantine), rows)


async def live_source(connection: AsyncConnection, workspace: str, key_hash: bytes) -> RowMapping | None:
    """The source whose write key has this hash, unless deleted."""
    statement = select(sources).where(
        (sources.c.workspace == workspace) & (sources.c.key_hash == key_hash) & sources.c.deleted_at.is_(None)
    )
    return (await connection.execute(statement)).mappings().one_or_none()


async def list_sources(connection: AsyncConnection, workspace: str) -> Sequence[RowMapping]:
    """All sources, oldest first, the deleted ones too."""
    statement = select(sources).where(sources.c.workspace == workspace)
    return await _rows(connection, statement.order_by(sources.c.created_at, sources.c.source))


async def named_sources(connection: AsyncConnection, workspace: str, name: str) -> Sequence[RowMapping]:
    """The source of this id; else all live ones of this name."""
    mine = select(sources).where(sources.c.workspace == workspace)
    by_id = await _rows(connection, mine.where(sources.c.source == name))
    if by_id:
        return by_id
    by_name = mine.where((sources.c.name == name) & sources.c.deleted_at.is_(None))
    return await _rows(connection, by_name)


async def list_rejects(
    connection: AsyncConnection, workspace: str, source: str | None, before: Place | None, limit: int
) -> Sequence[RowMapping]:
    """Refused events, newest first, without their bodies."""
    wanted = [column for column in quarantine.c if column.name not in ("sealed", "suite")]
    place = tuple_(quarantine.c.partition, quarantine.c.position, quarantine.c.idx)
    statement: Select[Any] = select(*wanted).where(quarantine.c.workspace == workspace)
    if source is not None:
        statement = statement.where(quarantine.c.source == source)
    if before is not None:
        statement = statement.where(place < tuple_(*before))
    order = (quarantine.c.partition.desc(), quarantine.c.position.desc(), quarantine.c.idx.desc())
    return await _rows(connection, statement.order_by(*order).limit(limit))


async def totals(connection: AsyncConnection, workspace: str, source: str | None, since: int) -> Sequence[RowMapping]:
    """The accounting per source, summed over the hours from `since` on."""
    sums = [func.sum(accounting.c[name]).label(name) for name in _COUNTS]
    statement: Select[Any] = select(accounting.c.source, *sums).where(
        (accounting.c.workspace == workspace) & (accounting.c.hour >= since)
    )
    return await _counted(connection, statement.group_by(accounting.c.source), source, accounting.c.source)


async def hours(connection: AsyncConnection, workspace: str, source: str | None, since: int) -> Sequence[RowMapping]:
    """The accounting per source and hour from `since` on."""
    columns = [accounting.c[name] for name in ("source", "hour", *_COUNTS)]
    statement: Select[Any] = select(*columns).where(
        (accounting.c.workspace == workspace) & (accounting.c.hour >= since)
    )
    return await _counted(connection, statement, source, accounting.c.source, accounting.c.hour)


async def _counted(
    connection: AsyncConnection, statement: Select[Any], source: str | None, *order: Any
) -> Sequence[RowMapping]:
    if source is not None:
        statement = statement.where(accounting.c.source == source)
    return await _rows(connection, statement.order_by(*order))


async def _rows(connection: AsyncConnection, statement: Select[Any]) -> Sequence[RowMapping]:
    result = await connection.execute(statement)
    return list(result.mappings())
