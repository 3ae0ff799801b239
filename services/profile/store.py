"""What the projection reads and writes: bulk statements on the driver's connection, rows sorted by key."""

from collections.abc import Mapping, Sequence
from typing import Any

import asyncpg
import msgspec

from libs.common.confirming import note
from libs.common.contracts.events import Pseudonym, Revealed
from libs.common.contracts.stitched import Erased
from services.profile.folding import Folded, Known, ProjectionFault
from services.profile.gathering import Arrived, Change, Joined, aliases

_LOAD = "SELECT binding, workspace, suite, fragment FROM bindings WHERE binding = ANY($1::bytea[])"
_GROW = """
UPDATE bindings SET fragment = n.fragment FROM unnest($1::bytea[], $2::bytea[]) AS n (binding, fragment)
WHERE bindings.binding = n.binding
"""
_MOVE = """
UPDATE bindings SET customer = n.customer FROM unnest($1::bytea[], $2::bytea[]) AS n (binding, customer)
WHERE bindings.binding = n.binding
"""
_FOLLOW = """
UPDATE bindings SET customer = n.winner FROM unnest($1::bytea[], $2::bytea[]) AS n (customer, winner)
WHERE bindings.customer = n.customer
"""
_REDIRECT = """
UPDATE aliases SET winner = n.winner FROM unnest($1::bytea[], $2::bytea[]) AS n (customer, winner)
WHERE aliases.winner = n.customer
"""
_ALIAS = """
INSERT INTO aliases (customer, winner) SELECT * FROM unnest($1::bytea[], $2::bytea[])
ON CONFLICT (customer) DO UPDATE SET winner = excluded.winner
"""
_BOOK = """
INSERT INTO accounting AS a (workspace, source, stored, erased)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
ON CONFLICT (workspace, source)
DO UPDATE SET stored = a.stored + excluded.stored, erased = a.erased + excluded.erased
"""
_FORGET_EVENTS = """
WITH gone AS (DELETE FROM timeline WHERE binding = ANY($1::bytea[]) RETURNING binding, source)
SELECT b.workspace, g.source, count(*) FROM gone g JOIN bindings b USING (binding) GROUP BY 1, 2
"""
_ARRIVE = """
INSERT INTO horizon AS h (partition, position, clock) VALUES ($1, $2, $3)
ON CONFLICT (partition) DO UPDATE SET position = greatest(h.position, $2), clock = greatest(h.clock, $3)
"""
_BINDING_COLUMNS = ("binding", "workspace", "customer", "suite", "pseudonyms", "fragment")
_REVEAL_COLUMNS = ("position", "partition", "workspace", "at", "caller", "customer", "purpose", "names")


async def prepare(driver: asyncpg.Connection) -> None:
    """For this transaction: keeps the planner from choosing, and keeping, scans while tables are small."""
    await driver.execute("SET LOCAL enable_seqscan = off")


async def load(driver: asyncpg.Connection, bindings: Sequence[bytes]) -> dict[bytes, Known]:
    """What is stored of the bindings; unknown ones are missing."""
    rows = await driver.fetch(_LOAD, bindings) if bindings else []
    return {row[0]: Known(row[1], row[2], row[3]) for row in rows}


async def write(driver: asyncpg.Connection, change: Change, folded: Folded, partition: int) -> None:
    """Writes a change with its folded events, erasures last."""
    await _join(driver, change.joined, folded.fragments)
    known = sorted(binding for binding in folded.fragments if binding not in change.joined)
    await _update(driver, _GROW, {binding: folded.fragments[binding] for binding in known})
    if change.merged:
        await _alias(driver, aliases(change.merged))
    await _update(driver, _MOVE, dict(sorted(change.moved.items())))
    await _copy(driver, "timeline", Arrived._fields, folded.rows)
    reveals = [_reveal(position, partition, entry) for position, entry in change.reveals]
    await _copy(driver, "reveals", _REVEAL_COLUMNS, reveals)
    await _book(driver, folded.stored, folded.erased)
    for workspace, erased in change.erased:
        await note(driver, erased.request, workspace, await _forget(driver, erased), partition)
    await driver.execute(_ARRIVE, partition, change.position, change.clock)


async def _copy(driver: asyncpg.Connection, table: str, columns: Sequence[str], rows: Sequence[Any]) -> None:
    if rows:
        await driver.copy_records_to_table(table, columns=columns, records=rows)


async def _join(driver: asyncpg.Connection, joined: Mapping[bytes, Joined], fragments: Mapping[bytes, bytes]) -> None:
    bindings = [
        (key, each.workspace, each.customer, each.suite, pack(each.pseudonyms), fragments.get(key))
        for key, each in sorted(joined.items())
    ]
    pseudonyms = sorted((pseudonym.id, key) for key, each in joined.items() for pseudonym in each.pseudonyms)
    await _copy(driver, "bindings", _BINDING_COLUMNS, bindings)
    await _copy(driver, "pseudonyms", ("pseudonym", "binding"), pseudonyms)


async def _update(driver: asyncpg.Connection, statement: str, values: Mapping[bytes, bytes]) -> None:
    if not values:
        return
    status = await driver.execute(statement, list(values), list(values.values()))
    if status != f"UPDATE {len(values)}":
        raise ProjectionFault(f"{len(values)} known bindings should have changed, but the database says {status}")


async def _alias(driver: asyncpg.Connection, ended: Mapping[bytes, bytes]) -> None:
    """Bindings and older aliases of a customer that ended now follow it; one that lives (again) is no alias."""
    losers = sorted(ended)
    winners = [ended[loser] for loser in losers]
    await driver.execute(_FOLLOW, losers, winners)
    await driver.execute(_REDIRECT, losers, winners)
    await driver.execute("DELETE FROM aliases WHERE customer = ANY($1::bytea[])", winners)
    await driver.execute(_ALIAS, losers, winners)


async def _book(
    driver: asyncpg.Connection, stored: Mapping[tuple[str, str], int], erased: Mapping[tuple[str, str], int]
) -> None:
    sources = sorted(set(stored) | set(erased))
    if sources:
        workspaces, names = zip(*sources, strict=True)
        counts = [[book.get(source, 0) for source in sources] for book in (stored, erased)]
        await driver.execute(_BOOK, list(workspaces), list(names), *counts)


async def _forget(driver: asyncpg.Connection, erased: Erased) -> dict[str, int]:
    """Drops all rows of the bindings and customers, and says how many; their events are booked as erased."""
    gone = {(row[0], row[1]): row[2] for row in await driver.fetch(_FORGET_EVENTS, erased.bindings)}
    await _book(driver, {source: -count for source, count in gone.items()}, gone)
    await driver.execute(
        "DELETE FROM pseudonyms WHERE binding = ANY($1::bytea[]) OR pseudonym = ANY($2::bytea[])",
        erased.bindings,
        erased.pseudonyms,
    )
    fragments = await driver.execute("DELETE FROM bindings WHERE binding = ANY($1::bytea[])", erased.bindings)
    await driver.execute(
        "DELETE FROM aliases WHERE customer = ANY($1::bytea[]) OR winner = ANY($1::bytea[])", erased.customers
    )
    return {"events": sum(gone.values()), "bindings": int(fragments.removeprefix("DELETE "))}


def pack(pseudonyms: Sequence[Pseudonym]) -> bytes:
    """The bytes of `bindings.pseudonyms`, the same for every order."""
    return msgspec.msgpack.encode(sorted(pseudonyms, key=lambda each: (each.kind, each.id)))


_unpacker = msgspec.msgpack.Decoder(list[Pseudonym])


def unpack(packed: bytes) -> list[Pseudonym]:
    """The opposite of `pack`."""
    return _unpacker.decode(packed)


def _reveal(position: int, partition: int, entry: Revealed) -> tuple[Any, ...]:
    return (
        *(position, partition, entry.workspace, entry.appended_at),
        *(entry.caller, entry.customer, entry.purpose, entry.names),
    )
