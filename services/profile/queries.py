"""What the API reads: one statement per question, so an answer is of one moment."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine


class Part(NamedTuple):
    """One binding of a customer; `fragment` is sealed, None before the first event."""

    binding: bytes
    suite: str
    pseudonyms: bytes
    fragment: bytes | None


class Horizon(NamedTuple):
    """How far EVENTS is applied, and the partition's clock there."""

    position: int
    clock: int


class Found(NamedTuple):
    """Customers by id, each with its bindings in order, as of `horizon`."""

    horizon: Horizon
    customers: dict[bytes, list[Part]]


_HORIZON = "(SELECT coalesce(max(position), 0), coalesce(max(clock), 0) FROM horizon WHERE partition = :partition)"
_PARTS = f"""
SELECT h.position, h.clock, b.customer, b.binding, b.suite, b.pseudonyms, b.fragment
FROM {_HORIZON} AS h (position, clock) LEFT JOIN bindings b ON b.workspace = :workspace AND %s ORDER BY b.binding
"""  # noqa: S608 - constants only
_BY_CUSTOMER = text(_PARTS % "b.customer = ANY(:customers)")
_BY_PSEUDONYM = text(
    _PARTS
    % """b.customer IN (
    SELECT known.customer FROM pseudonyms p JOIN bindings known USING (binding)
    WHERE p.pseudonym = :pseudonym AND known.workspace = :workspace)"""
)
_ALIASES = text("SELECT customer, winner FROM aliases WHERE customer = ANY(:customers)")
_ARRIVED = text("SELECT position, clock FROM horizon WHERE partition = :partition")
_ACCOUNTS = text(f"""
SELECT h.position, a.source, a.stored, a.erased
FROM {_HORIZON} AS h (position, clock) LEFT JOIN accounting a ON a.workspace = :workspace ORDER BY a.source
""")  # noqa: S608 - constants only
_REVEALS = text("""
SELECT position, at, caller, customer, purpose, names FROM reveals
WHERE workspace = :workspace AND position > :after AND (CAST(:customer AS bytea) IS NULL OR customer = :customer)
ORDER BY position LIMIT :limit
""")


def reading(engine: AsyncEngine) -> AsyncEngine:
    """The same engine for single statements: each is its own snapshot, no transaction around it."""
    return engine.execution_options(isolation_level="AUTOCOMMIT")


async def by_customers(
    connection: AsyncConnection, workspace: str, partition: int, customers: Sequence[bytes]
) -> Found:
    """The customers that exist under these very ids."""
    values = {"workspace": workspace, "partition": partition, "customers": list(customers)}
    return _found((await connection.execute(_BY_CUSTOMER, values)).all())


async def by_pseudonym(connection: AsyncConnection, workspace: str, partition: int, pseudonym: bytes) -> Found:
    """The customers that own the identifier: one, or more where it could not decide between them."""
    values = {"workspace": workspace, "partition": partition, "pseudonym": pseudonym}
    return _found((await connection.execute(_BY_PSEUDONYM, values)).all())


def _found(rows: Sequence[Row[Any]]) -> Found:
    customers: defaultdict[bytes, list[Part]] = defaultdict(list)
    for row in rows:
        if row.customer is not None:
            customers[row.customer].append(Part(row.binding, row.suite, row.pseudonyms, row.fragment))
    return Found(Horizon(rows[0].position, rows[0].clock), dict(customers))


async def winners(connection: AsyncConnection, customers: Sequence[bytes]) -> dict[bytes, bytes]:
    """What merged customers have become."""
    rows = await connection.execute(_ALIASES, {"customers": list(customers)})
    return {row[0]: row[1] for row in rows}


async def horizon(connection: AsyncConnection, partition: int) -> Horizon:
    """How far the partition is applied."""
    row = (await connection.execute(_ARRIVED, {"partition": partition})).one_or_none()
    return Horizon(row[0], row[1]) if row else Horizon(0, 0)


class Account(NamedTuple):
    """Events of a source that are stored now, and that were erased."""

    source: str
    stored: int
    erased: int


async def accounts(connection: AsyncConnection, workspace: str, partition: int) -> tuple[int, list[Account]]:
    """The position of EVENTS that is applied, and one account per source as of it."""
    rows = (await connection.execute(_ACCOUNTS, {"workspace": workspace, "partition": partition})).all()
    return rows[0][0], [Account(*row[1:]) for row in rows if row.source is not None]


class Reveal(NamedTuple):
    """An audit entry: what was shown to whom."""

    position: int
    at: int
    caller: str
    customer: bytes
    purpose: str
    names: list[str]


async def reveals(
    connection: AsyncConnection, workspace: str, customer: bytes | None, after: int, limit: int
) -> list[Reveal]:
    """In the order of the log, after a position."""
    values = {"workspace": workspace, "customer": customer, "after": after, "limit": limit}
    return [Reveal(*row) for row in await connection.execute(_REVEALS, values)]
