"""Writes what evolved: bulk statements on the driver's connection, rows in the order of their keys."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from libs.common.confirming import note
from libs.common.contracts.stitched import Merged
from services.segments.state import State

_CLOCK = """
INSERT INTO clock VALUES ($1, $2, $3)
ON CONFLICT (partition) DO UPDATE SET at = excluded.at, position = excluded.position
"""
_SEGMENTS = """
INSERT INTO segments SELECT * FROM
unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::bigint[], $8::bigint[])
ON CONFLICT (segment) DO UPDATE SET name = excluded.name, purpose = excluded.purpose,
definition = excluded.definition, position = excluded.position, at = excluded.at
"""
_SWEEPS = """
INSERT INTO sweeps SELECT * FROM unnest($1::text[], $2::int[], $3::bytea[])
ON CONFLICT (workspace) DO UPDATE SET after = excluded.after
"""
_BINDINGS = """
INSERT INTO bindings SELECT * FROM unnest($1::bytea[], $2::int[], $3::text[], $4::text[], $5::bytea[], $6::bytea[])
ON CONFLICT (binding) DO UPDATE SET customer = excluded.customer, fragment = excluded.fragment
"""
_PSEUDONYMS = "INSERT INTO pseudonyms SELECT * FROM unnest($1::bytea[], $2::bytea[]) ON CONFLICT DO NOTHING"
_CONSENTS = """
INSERT INTO consents SELECT * FROM unnest($1::bytea[], $2::text[], $3::bool[], $4::bigint[])
ON CONFLICT (pseudonym, purpose) DO UPDATE SET granted = excluded.granted, decided_at = excluded.decided_at
"""
_RESTRICTIONS = "INSERT INTO restrictions SELECT * FROM unnest($1::bytea[], $2::text[]) ON CONFLICT DO NOTHING"
_MEMBERS = """
INSERT INTO members SELECT * FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::bigint[], $5::text[])
ON CONFLICT (segment, customer) DO UPDATE
SET since = excluded.since, position = excluded.position, reason = excluded.reason
"""
_DUE = """
INSERT INTO due SELECT * FROM unnest($1::bytea[], $2::int[], $3::bigint[])
ON CONFLICT (customer) DO UPDATE SET at = excluded.at
"""
_DELETE_PAIRS = """
DELETE FROM {table} t USING unnest($1::{first_type}[], $2::{second_type}[]) g (a, b)
WHERE t.{first} = g.a AND t.{second} = g.b
"""
_REDIRECT = """
UPDATE aliases SET winner = n.winner FROM unnest($1::bytea[], $2::bytea[]) AS n (customer, winner)
WHERE aliases.winner = n.customer
"""
_ALIAS = """
INSERT INTO aliases SELECT * FROM unnest($1::bytea[], $2::bytea[])
ON CONFLICT (customer) DO UPDATE SET winner = excluded.winner
"""


async def save(driver: asyncpg.Connection, partition: int, state: State) -> None:
    """Writes the state, erasures last, and notes them for confirmation."""
    await driver.execute(_CLOCK, partition, state.clock, state.events_position)
    await _save_definitions(driver, partition, state)
    await _save_bindings(driver, partition, state)
    await _save_standing(driver, state)
    await _save_members(driver, state)
    await _save_due(driver, partition, state)
    if state.merged:
        await _alias(driver, state.merged)
    if state.forgotten:
        await _forget(driver, sorted(state.forgotten))
    for notice in state.notices:
        await note(driver, notice.request, notice.workspace, notice.counts, partition)


async def _write(driver: asyncpg.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """`statement` takes the columns of `rows` as arrays."""
    if rows:
        await driver.execute(statement, *map(list, zip(*rows, strict=True)))


async def _delete(driver: asyncpg.Connection, table: str, key: str, ids: Sequence[Any]) -> None:
    if ids:
        await driver.execute(f"DELETE FROM {table} WHERE {key} = ANY($1)", ids)  # noqa: S608 - names are ours


async def _delete_pairs(
    driver: asyncpg.Connection, table: str, first: str, second: str, pairs: Sequence[tuple[Any, Any]]
) -> None:
    if pairs:
        types = {"first_type": _type(pairs[0][0]), "second_type": _type(pairs[0][1])}
        await _write(driver, _DELETE_PAIRS.format(table=table, first=first, second=second, **types), pairs)


def _type(value: bytes | str) -> str:
    return "bytea" if isinstance(value, bytes) else "text"


async def _save_definitions(driver: asyncpg.Connection, partition: int, state: State) -> None:
    rows = [
        (key, partition, each.workspace, each.name, each.purpose, each.definition, each.position, each.at)
        for key, each in state.segments.changed()
    ]
    await _write(driver, _SEGMENTS, rows)
    await _delete(driver, "segments", "segment", state.segments.gone())
    await _write(driver, _SWEEPS, [(workspace, partition, after) for workspace, after in state.sweeps.changed()])
    await _delete(driver, "sweeps", "workspace", state.sweeps.gone())


async def _save_bindings(driver: asyncpg.Connection, partition: int, state: State) -> None:
    changed = state.bindings.changed()
    rows = [(key, partition, each.workspace, each.suite, each.customer, each.to_store()) for key, each in changed]
    await _write(driver, _BINDINGS, rows)
    new = [(pseudonym, key) for key, each in changed if each.stored is None for pseudonym in each.pseudonyms]
    await _write(driver, _PSEUDONYMS, sorted(new))
    await _delete(driver, "bindings", "binding", state.bindings.gone())
    await _delete(driver, "pseudonyms", "binding", state.bindings.gone())


async def _save_standing(driver: asyncpg.Connection, state: State) -> None:
    await _delete_pairs(driver, "consents", "pseudonym", "purpose", state.consents.gone())
    await _write(driver, _CONSENTS, [(*key, *latest) for key, latest in state.consents.changed()])
    await _delete_pairs(driver, "restrictions", "pseudonym", "request", state.restrictions.gone())
    await _write(driver, _RESTRICTIONS, [key for key, _ in state.restrictions.changed()])


async def _save_members(driver: asyncpg.Connection, state: State) -> None:
    await _delete(driver, "members", "segment", sorted(state.ended))
    await _delete_pairs(driver, "members", "customer", "segment", state.members.gone())
    rows = [(segment, customer, *member) for (customer, segment), member in state.members.changed()]
    await _write(driver, _MEMBERS, rows)


async def _save_due(driver: asyncpg.Connection, partition: int, state: State) -> None:
    await _write(driver, _DUE, [(customer, partition, at) for customer, at in state.due.changed()])
    await _delete(driver, "due", "customer", state.due.gone())


async def _alias(driver: asyncpg.Connection, merged: Sequence[Merged]) -> None:
    """What each ended customer has become; older aliases follow, and one that lives again is no alias."""
    ended: dict[bytes, bytes] = {}
    for each in reversed(merged):
        # What comes later stands already, so the winner is followed to its end.
        ended[each.loser] = ended.get(each.winner, each.winner)
    losers = sorted(ended)
    winners = [ended[loser] for loser in losers]
    await driver.execute(_REDIRECT, losers, winners)
    await driver.execute("DELETE FROM aliases WHERE customer = ANY($1::bytea[])", winners)
    await driver.execute(_ALIAS, losers, winners)


async def _forget(driver: asyncpg.Connection, customers: Sequence[bytes]) -> None:
    for table in ("members", "due", "aliases"):
        await _delete(driver, table, "customer", customers)
    await _delete(driver, "aliases", "winner", customers)
