"""What identity's API reads. Every query is held to one workspace."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from services.identity.tables import accounting, bindings, customers, former_customers, positions, pseudonyms, refusals


async def live_customer(connection: AsyncConnection, workspace: str, customer: bytes) -> bytes | None:
    """The customer itself, or the one that it was merged into; None when there is no such customer."""
    candidates = union_all(
        select(former_customers.c.customer).where(former_customers.c.former == customer),
        select(customers.c.customer).where(customers.c.customer == customer),
    ).subquery()
    query = select(customers.c.customer).join(candidates, candidates.c.customer == customers.c.customer)
    found: bytes | None = await connection.scalar(query.where(customers.c.workspace == workspace))
    return found


async def bindings_of(connection: AsyncConnection, customer: bytes, limit: int) -> Sequence[Row[Any]]:
    """The customer's bindings, oldest first."""
    query = select(bindings).where(bindings.c.customer == customer)
    order = (bindings.c.first_position, bindings.c.first_number)
    return (await connection.execute(query.order_by(*order).limit(limit))).all()


async def count_bindings(connection: AsyncConnection, customer: bytes) -> int:
    """How many bindings the customer has."""
    query = select(func.count()).select_from(bindings).where(bindings.c.customer == customer)
    return await connection.scalar(query) or 0


async def pseudonym_counts(connection: AsyncConnection, customer: bytes) -> dict[str, int]:
    """How many pseudonyms of each kind the customer has."""
    query = select(pseudonyms.c.kind, func.count()).where(pseudonyms.c.customer == customer)
    rows = await connection.execute(query.group_by(pseudonyms.c.kind).order_by(pseudonyms.c.kind))
    return {row[0]: row[1] for row in rows}


async def former_customers_of(connection: AsyncConnection, customer: bytes) -> Sequence[Row[Any]]:
    """The customers that ended in this one, in the order in which they did."""
    query = select(former_customers).where(former_customers.c.customer == customer)
    order = (former_customers.c.position, former_customers.c.former)
    return (await connection.execute(query.order_by(*order))).all()


async def refusals_after(connection: AsyncConnection, workspace: str, position: int, limit: int) -> Sequence[Row[Any]]:
    """Refusals at later positions, oldest first; those of the last position are complete."""
    query = select(refusals).where(refusals.c.workspace == workspace, refusals.c.position > position)
    order = (refusals.c.position, refusals.c.binding, refusals.c.rule)
    rows = (await connection.execute(query.order_by(*order).limit(limit))).all()
    if len(rows) < limit:
        return rows
    rest = select(refusals).where(refusals.c.workspace == workspace, refusals.c.position == rows[-1].position)
    last = (await connection.execute(rest.order_by(*order))).all()
    return [row for row in rows if row.position < rows[-1].position] + list(last)


async def accounting_of(connection: AsyncConnection, workspace: str) -> Sequence[Row[Any]]:
    """What became of each source's accepted events."""
    query = select(accounting).where(accounting.c.workspace == workspace)
    return (await connection.execute(query.order_by(accounting.c.source))).all()


async def positions_now(connection: AsyncConnection) -> dict[int, int]:
    """The last stitched position of each partition."""
    rows = await connection.execute(select(positions.c.partition, positions.c.position))
    return {row[0]: row[1] for row in rows}
