"""The projection of STITCHED: which bindings are whose, how much stands under them, and who was erased.

A preview of a request is made from it, so that no other service has to be asked. On an erasure it drops what it
has of the person, decisions included, and notes that.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.confirming import note
from libs.common.contracts.events import Batch, EventsEntry
from libs.common.contracts.stitched import FRESH, Erased, Facts, Merged, Stitched, StitchedEntry, origins
from libs.common.db import driver_connection
from services.privacy.rights.decisions import LOCK

NAME = "people"

_JOIN = """
INSERT INTO bindings (binding, workspace, customer, kinds, events, first_position)
SELECT n.binding, n.workspace, n.customer, n.kinds, 0, n.position
FROM unnest($1::bytea[], $2::text[], $3::bytea[], $4::text[], $5::bigint[])
AS n (binding, workspace, customer, kinds, position)
"""
_CARRY = "INSERT INTO pseudonyms (pseudonym, binding) SELECT * FROM unnest($1::bytea[], $2::bytea[])"
_MOVE = """
UPDATE bindings SET customer = n.customer FROM unnest($1::bytea[], $2::bytea[]) AS n (binding, customer)
WHERE bindings.binding = n.binding
"""
_MERGE = """
UPDATE bindings SET customer = n.winner FROM unnest($1::bytea[], $2::bytea[]) AS n (loser, winner)
WHERE bindings.customer = n.loser
"""
_COUNT = """
UPDATE bindings SET events = bindings.events + n.events FROM unnest($1::bytea[], $2::bigint[]) AS n (binding, events)
WHERE bindings.binding = n.binding
"""
_ERASE = """
INSERT INTO erased (workspace, pseudonym, request) SELECT $1, p, $2 FROM unnest($3::bytea[]) AS n (p)
ON CONFLICT DO NOTHING
"""
_DONE = "INSERT INTO erasures VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"
_FORGET = {
    "bindings": "DELETE FROM bindings WHERE binding = ANY($1::bytea[])",
    "pseudonyms": "DELETE FROM pseudonyms WHERE binding = ANY($1::bytea[]) OR pseudonym = ANY($2::bytea[])",
    "consents": "DELETE FROM consents WHERE workspace = $1 AND pseudonym = ANY($2::bytea[])",
    "restrictions": "DELETE FROM restrictions WHERE workspace = $1 AND pseudonym = ANY($2::bytea[])",
}


@dataclass
class _Joined:
    workspace: str
    customer: bytes
    kinds: dict[str, str]
    position: int


@dataclass
class _Change:
    joined: dict[bytes, _Joined] = field(default_factory=dict)
    merged: dict[bytes, bytes] = field(default_factory=dict)
    moved: dict[bytes, bytes] = field(default_factory=dict)
    events: Counter[bytes] = field(default_factory=Counter)
    erased: list[tuple[int, str, Erased]] = field(default_factory=list)
    clock: int = 0


class People:
    """Keeps one partition's people; see Projection. `tell` gets the partition's clock as of every batch."""

    name = NAME

    def __init__(self, partition: int, tell: Callable[[int], None] = lambda clock: None) -> None:
        self._partition, self._tell = partition, tell

    async def apply(self, connection: AsyncConnection, entries: Sequence[tuple[int, StitchedEntry]]) -> None:
        """Erasures last: after one, identity links and moves nothing that it forgot."""
        change = gather(entries)
        self._tell(change.clock)
        driver = await driver_connection(connection)
        await _write(driver, change)
        if change.erased:
            await driver.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        for position, workspace, erased in change.erased:
            counts = await _forget(driver, position, workspace, erased)
            await note(driver, erased.request, workspace, counts, self._partition)


def gather(entries: Sequence[tuple[int, StitchedEntry]]) -> _Change:
    """The entries as one change."""
    change = _Change()
    for _, entry in entries:
        change.clock = entry.clock
        if isinstance(entry, Stitched):
            for position, origin, facts in origins(entry):
                _gather(change, position, origin, facts)
    return change


def _gather(change: _Change, position: int, entry: EventsEntry, facts: Facts) -> None:
    if isinstance(entry, Batch):
        _gather_batch(change, position, entry, facts)
    if not facts.moved:  # of a merge, too many to name: see Moved
        for merged in facts.merged:
            _gather_merge(change, merged)
    for moved in facts.moved:
        if moved.binding in change.joined:
            change.joined[moved.binding].customer = moved.customer
        else:
            change.moved[moved.binding] = moved.customer
    change.erased += [(position, entry.workspace, erased) for erased in facts.erased]


def _gather_merge(change: _Change, merged: Merged) -> None:
    """All that is the loser's by now, stored or on its way."""
    for joined in change.joined.values():
        if joined.customer == merged.loser:
            joined.customer = merged.winner
    for known in (change.moved, change.merged):
        known.update({key: merged.winner for key, customer in known.items() if customer == merged.loser})
    change.merged[merged.loser] = merged.winner


def _gather_batch(change: _Change, position: int, batch: Batch, facts: Facts) -> None:
    for event, outcome in zip(batch.events, facts.outcomes, strict=True):
        if outcome == FRESH:
            change.events[batch.bindings[event.binding].id] += 1
    if facts.linked:
        held = {(refused.binding, each.id) for refused in facts.refused for each in refused.held}
        carried = {binding.id: binding.pseudonyms for binding in batch.bindings}
        for linked in facts.linked:
            own = [each for each in carried[linked.binding] if (linked.binding, each.id) not in held]
            kinds = {each.id.hex(): each.kind for each in own}
            change.joined[linked.binding] = _Joined(batch.workspace, linked.customer, kinds, position)


async def _write(driver: asyncpg.Connection, change: _Change) -> None:
    if change.merged:
        losers, winners = zip(*sorted(change.merged.items()), strict=True)
        await driver.execute(_MERGE, list(losers), list(winners))
    if change.joined:
        joined = sorted(change.joined.items())
        columns: list[list[Any]] = [
            [key for key, _ in joined],
            [each.workspace for _, each in joined],
            [each.customer for _, each in joined],
            [msgspec.json.encode(each.kinds, order="sorted").decode() for _, each in joined],
            [each.position for _, each in joined],
        ]
        await driver.execute(_JOIN, *columns)
        carried = sorted((bytes.fromhex(pseudonym), key) for key, each in joined for pseudonym in each.kinds)
        await driver.execute(_CARRY, [each for each, _ in carried], [key for _, key in carried])
    for statement, values in ((_MOVE, change.moved), (_COUNT, change.events)):
        if values:
            ordered = sorted(values.items())
            await driver.execute(statement, [key for key, _ in ordered], [value for _, value in ordered])


async def _forget(driver: asyncpg.Connection, position: int, workspace: str, erased: Erased) -> dict[str, int]:
    await driver.execute(_ERASE, workspace, erased.request, erased.pseudonyms)
    sizes = (len(erased.customers), len(erased.bindings), len(erased.pseudonyms))
    await driver.execute(_DONE, workspace, erased.request, position, erased.at, *sizes)
    arguments: dict[str, tuple[Any, ...]] = {
        "bindings": (erased.bindings,),
        "pseudonyms": (erased.bindings, erased.pseudonyms),
        "consents": (workspace, erased.pseudonyms),
        "restrictions": (workspace, erased.pseudonyms),
    }
    done = {name: await driver.execute(_FORGET[name], *values) for name, values in arguments.items()}
    return {name: int(status.removeprefix("DELETE ")) for name, status in done.items()}
