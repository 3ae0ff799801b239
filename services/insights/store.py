"""All SQL on PostgreSQL: functions that take a connection."""

import secrets
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import asyncpg

from libs.common.confirming import note
from libs.common.positions import Overtaken

Counts = Mapping[tuple[str, str], int]
"""By (workspace, source)."""

_BOOK = """
INSERT INTO accounting AS a (workspace, source, stored, erased)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[])
ON CONFLICT (workspace, source) DO UPDATE SET stored = a.stored + excluded.stored, erased = a.erased + excluded.erased
"""
_STANDING = """
SELECT g.name, p.partition, p.position FROM generation g LEFT JOIN positions p ON p.consumer = 'insights'
ORDER BY p.partition
"""


class Standing(NamedTuple):
    """What counts: the generation, and the position in STITCHED that each partition is committed at."""

    generation: str
    positions: dict[int, int]


class Pending(NamedTuple):
    """An erasure whose rows are hidden but not yet off the disk."""

    partition: int
    entry: int
    request: str
    workspace: str
    bindings: list[bytes]
    events: int


async def generation(driver: asyncpg.Connection) -> str:
    """The ClickHouse database of this schema; named when first asked for."""
    named = f"generation_{secrets.token_hex(8)}"
    await driver.execute("INSERT INTO generation (sole, name) VALUES (true, $1) ON CONFLICT DO NOTHING", named)
    return str(await driver.fetchval("SELECT name FROM generation"))


async def standing(driver: asyncpg.Connection) -> Standing | None:
    """None before anything was ever applied."""
    rows = await driver.fetch(_STANDING)
    if not rows:
        return None
    return Standing(rows[0][0], {row[1]: row[2] for row in rows if row[1] is not None})


async def stored_in_all(driver: asyncpg.Connection) -> int:
    """How many events the accounts say that the history holds."""
    return int(await driver.fetchval("SELECT coalesce(sum(stored), 0) FROM accounting"))


async def book(driver: asyncpg.Connection, stored: Counts, erased: Counts) -> None:
    """Adds to the accounts."""
    sources = sorted(set(stored) | set(erased))
    if sources:
        workspaces, names = zip(*sources, strict=True)
        counts = [[counted.get(source, 0) for source in sources] for counted in (stored, erased)]
        await driver.execute(_BOOK, list(workspaces), list(names), *counts)


async def accounts(driver: asyncpg.Connection, workspace: str) -> list[tuple[str, int, int]]:
    """(source, stored, erased) of a workspace."""
    rows = await driver.fetch(
        "SELECT source, stored, erased FROM accounting WHERE workspace = $1 ORDER BY source", workspace
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def remember(driver: asyncpg.Connection, pending: Pending) -> None:
    """The erasure is to be carried out on disk."""
    await driver.execute("INSERT INTO erasures VALUES ($1, $2, $3, $4, $5, $6)", *pending)


async def pending(driver: asyncpg.Connection) -> list[Pending]:
    """Erasures to be carried out, oldest first."""
    return [Pending(*row) for row in await driver.fetch("SELECT * FROM erasures ORDER BY partition, entry")]


async def hold(driver: asyncpg.Connection) -> None:
    """Keeps a replay from swapping until the transaction ends. Raises Overtaken when it just has."""
    rows = await driver.fetch("SELECT position FROM positions WHERE consumer = 'insights' FOR UPDATE")
    if any(row[0] < 0 for row in rows):
        raise Overtaken("a replay has replaced these tables")


async def confirm(driver: asyncpg.Connection, done: Sequence[Pending]) -> None:
    """The bytes are gone: says so, in the caller's transaction."""
    for each in done:
        counts = {"events": each.events, "bindings": len(each.bindings)}
        await note(driver, each.request, each.workspace, counts, each.partition)
        key = (each.partition, each.entry, each.request)
        await driver.execute("DELETE FROM erasures WHERE partition = $1 AND entry = $2 AND request = $3", *key)
