"""What the API reads: one statement per question, so an answer is of one moment."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from asyncpg import Pool, Record

from services.profile.connecting import fetch


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


_HORIZON = "(SELECT coalesce(max(position), 0), coalesce(max(clock), 0) FROM horizon WHERE partition = $2)"
_PARTS = f"""
SELECT h.position, h.clock, b.customer, b.binding, b.suite, b.pseudonyms, b.fragment
FROM {_HORIZON} AS h (position, clock) LEFT JOIN bindings b ON b.workspace = $1 AND %s ORDER BY b.binding
"""  # noqa: S608 - constants only
_BY_CUSTOMER = _PARTS % "b.customer = ANY($3::bytea[])"
_BY_PSEUDONYM = (
    _PARTS
    % """b.customer IN (
    SELECT known.customer FROM pseudonyms p JOIN bindings known USING (binding)
    WHERE p.pseudonym = $3 AND known.workspace = $1)"""
)
_ALIASES = "SELECT customer, winner FROM aliases WHERE customer = ANY($1::bytea[])"
_ARRIVED = "SELECT position, clock FROM horizon WHERE partition = $1"
_ACCOUNTS = f"""
SELECT h.position, a.source, a.stored, a.erased
FROM {_HORIZON} AS h (position, clock) LEFT JOIN accounting a ON a.workspace = $1 ORDER BY a.source
"""  # noqa: S608 - constants only
_REVEALS = """
SELECT position, at, caller, customer, purpose, names FROM reveals
WHERE workspace = $1 AND position > $3 AND ($2::bytea IS NULL OR customer = $2) ORDER BY position LIMIT $4
"""


async def by_customers(pool: Pool, workspace: str, partition: int, customers: Sequence[bytes]) -> Found:
    """The customers that exist under these very ids."""
    return _found(await fetch(pool, _BY_CUSTOMER, workspace, partition, list(customers)))


async def by_pseudonym(pool: Pool, workspace: str, partition: int, pseudonym: bytes) -> Found:
    """The customers that own the identifier: one, or more where it could not decide between them."""
    return _found(await fetch(pool, _BY_PSEUDONYM, workspace, partition, pseudonym))


def _found(rows: Sequence[Record]) -> Found:
    customers: defaultdict[bytes, list[Part]] = defaultdict(list)
    for _, _, customer, binding, suite, pseudonyms, fragment in rows:
        if customer is not None:
            customers[customer].append(Part(binding, suite, pseudonyms, fragment))
    return Found(Horizon(rows[0][0], rows[0][1]), dict(customers))


async def winners(pool: Pool, customers: Sequence[bytes]) -> dict[bytes, bytes]:
    """What merged customers have become."""
    return {row[0]: row[1] for row in await fetch(pool, _ALIASES, list(customers))}


async def horizon(pool: Pool, partition: int) -> Horizon:
    """How far the partition is applied."""
    rows = await fetch(pool, _ARRIVED, partition)
    return Horizon(rows[0][0], rows[0][1]) if rows else Horizon(0, 0)


class Account(NamedTuple):
    """Events of a source that are stored now, and that were erased."""

    source: str
    stored: int
    erased: int


async def accounts(pool: Pool, workspace: str, partition: int) -> tuple[int, list[Account]]:
    """The position of EVENTS that is applied, and one account per source as of it."""
    rows = await fetch(pool, _ACCOUNTS, workspace, partition)
    return rows[0][0], [Account(*row[1:]) for row in map(tuple, rows) if row[1] is not None]


class Reveal(NamedTuple):
    """An audit entry: what was shown to whom."""

    position: int
    at: int
    caller: str
    customer: bytes
    purpose: str
    names: list[str]


async def reveals(pool: Pool, workspace: str, customer: bytes | None, after: int, limit: int) -> list[Reveal]:
    """In the order of the log, after a position; of one customer or, with None, of all."""
    return [Reveal(*row) for row in await fetch(pool, _REVEALS, workspace, customer, after, limit)]
