"""What the API reads, on one snapshot."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.segments.tables import aliases, bindings, clock, members, pseudonyms, segments, sweeps

_defined = (
    segments.c.segment,
    segments.c.name,
    segments.c.purpose,
    segments.c.definition,
    segments.c.at,
    select(func.count())
    .select_from(members)
    .where(members.c.segment == segments.c.segment)
    .scalar_subquery()
    .label("members"),
    select(literal(1)).where(sweeps.c.workspace == segments.c.workspace).exists().label("backfilling"),
)


class Horizon(NamedTuple):
    """How far EVENTS is applied, and the partition's clock there."""

    position: int
    clock: int


async def horizon(connection: AsyncConnection, partition: int) -> Horizon:
    """Zeros before the first entry."""
    row = (await connection.execute(select(clock).where(clock.c.partition == partition))).one_or_none()
    return Horizon(row.position, row.at) if row else Horizon(0, 0)


async def segments_of(connection: AsyncConnection, workspace: str) -> Sequence[Any]:
    """All definitions with their counts."""
    wanted = select(*_defined).where(segments.c.workspace == workspace).order_by(segments.c.segment)
    return (await connection.execute(wanted)).all()


async def segment_of(connection: AsyncConnection, workspace: str, segment: str) -> Any:
    """One definition with its count."""
    mine = (segments.c.workspace == workspace) & (segments.c.segment == segment)
    return (await connection.execute(select(*_defined).where(mine))).one_or_none()


async def members_of(connection: AsyncConnection, segment: str, after: bytes, limit: int) -> Sequence[Any]:
    """Members with greater ids than `after`, by id."""
    wanted = select(members.c.customer, members.c.since, members.c.reason)
    page = wanted.where((members.c.segment == segment) & (members.c.customer > after))
    return (await connection.execute(page.order_by(members.c.customer).limit(limit))).all()


async def pseudonyms_of(connection: AsyncConnection, customers: Sequence[bytes]) -> dict[bytes, list[bytes]]:
    """All pseudonyms of each customer."""
    wanted = select(bindings.c.customer, pseudonyms.c.pseudonym).distinct()
    joined = wanted.join(pseudonyms, pseudonyms.c.binding == bindings.c.binding)
    found: dict[bytes, list[bytes]] = {}
    for row in await connection.execute(joined.where(bindings.c.customer.in_(customers))):
        found.setdefault(row.customer, []).append(row.pseudonym)
    return found


async def live_customer(connection: AsyncConnection, workspace: str, customer: bytes) -> bytes | None:
    """The customer, or the one that it was merged into; None when there is neither."""
    row = (await connection.execute(select(aliases.c.winner).where(aliases.c.customer == customer))).one_or_none()
    now = row.winner if row else customer
    mine = (bindings.c.customer == now) & (bindings.c.workspace == workspace)
    found = (await connection.execute(select(bindings.c.customer).where(mine).limit(1))).one_or_none()
    return None if found is None else now


async def memberships(connection: AsyncConnection, workspace: str, customer: bytes, purpose: str) -> Sequence[Any]:
    """The customer's segments of a purpose, by id."""
    wanted = (
        select(segments.c.segment, segments.c.name, members.c.since, members.c.reason)
        .join(members, members.c.segment == segments.c.segment)
        .where(members.c.customer == customer)
        .where((segments.c.workspace == workspace) & (segments.c.purpose == purpose))
    )
    return (await connection.execute(wanted.order_by(segments.c.segment))).all()
