"""Loading and writing the slice of identity's tables that a batch of entries can touch.

Everything is asked for in bulk, by key, and only where the step before left something open: a batch of known
bindings costs one look at `seen` and one at `bindings`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.confirming import note
from libs.common.contracts.events import Batch, Binding, Erasure, EventsEntry, Pseudonym
from libs.common.contracts.stitched import DUPLICATE, FRESH, SUPPRESSED
from libs.common.db import driver_connection
from services.identity.deduplication import horizon, prune_is_due
from services.identity.linking import LIMITS, plus
from services.identity.reach import reach
from services.identity.state import Birth, Customer, Evidence, Former, Members, Owned, Slice

_OPEN = """
SELECT p.log_id, coalesce(c.at, 0), set_config('enable_seqscan', 'off', true)
FROM positions p LEFT JOIN clock c USING (partition) WHERE p.consumer = $1 AND p.partition = $2
"""
_OWNED = "SELECT pseudonym, kind, customer, born_position, born_number FROM pseudonyms WHERE {} = ANY($1)"
_COUNTS = """
SELECT customer, kind, count(*) FROM pseudonyms WHERE customer = ANY($1) AND kind = ANY($2) GROUP BY customer, kind
"""
_FORMER = "SELECT former, customer, binding, position FROM former_customers WHERE customer = ANY($1)"
_BINDINGS = """
SELECT binding, customer, pseudonyms, first_position, first_number FROM bindings WHERE customer = ANY($1)
"""


async def load(
    connection: AsyncConnection, consumer: str, partition: int, entries: Sequence[tuple[int, EventsEntry]]
) -> Slice:
    """All that deciding about the entries, in order, can need. The consumer's position row must exist."""
    driver = await driver_connection(connection)
    state = await _open(driver, consumer, partition)
    batches = [entry for _, entry in entries if isinstance(entry, Batch)]
    seeds = [seed for _, entry in entries if isinstance(entry, Erasure) for seed in entry.seeds]
    await _load_seen(driver, state, batches)
    new = await _load_bindings(driver, state, batches)
    if new or seeds:
        await _load_customers(driver, state, new, seeds)
    return state


async def _open(driver: asyncpg.Connection, consumer: str, partition: int) -> Slice:
    # While tables are small and unanalysed the planner would choose, and keep, plans that scan them.
    log_id, clock, _ = await driver.fetchrow(_OPEN, consumer, partition)
    return Slice(log_id, clock, clock)


async def _load_seen(driver: asyncpg.Connection, state: Slice, batches: Sequence[Batch]) -> None:
    ids = [event.id for batch in batches for event in batch.events]
    if ids:
        state.seen.load(await driver.fetch("SELECT event_id, at FROM seen WHERE event_id = ANY($1)", ids))


async def _load_bindings(driver: asyncpg.Connection, state: Slice, batches: Sequence[Batch]) -> list[Binding]:
    """Loads the bindings that are known and returns the others, new or erased."""
    carried = {binding.id: binding for batch in batches for binding in batch.bindings}
    if carried:
        found = await driver.fetch("SELECT binding, customer FROM bindings WHERE binding = ANY($1)", list(carried))
        state.bindings.load(found)
    return [binding for each, binding in carried.items() if each not in state.bindings]


async def _load_customers(
    driver: asyncpg.Connection, state: Slice, new: Sequence[Binding], seeds: Sequence[Pseudonym]
) -> None:
    """Loads what new bindings and seeds lead to: owners, their customers, and all of those that may end."""
    pseudonyms = {each.id for binding in new for each in binding.pseudonyms} | {seed.id for seed in seeds}
    await _load_erased(driver, state, {binding.id for binding in new} | pseudonyms)
    await _load_owned(driver, state, "pseudonym", pseudonyms)
    customers = sorted({owned.customer for owned in state.pseudonyms.values()})
    if not customers:
        return
    rows = await driver.fetch(
        "SELECT customer, workspace, born_position, born_number FROM customers WHERE customer = ANY($1)", customers
    )
    state.customers.load((row[0], Customer(row[1], Birth(row[2], row[3]))) for row in rows)
    state.counts.update((customer, {}) for customer in customers)
    for customer, kind, number in await driver.fetch(_COUNTS, customers, list(LIMITS)):
        state.counts[customer] = plus(state.counts[customer], {kind: number})
    ending, erasable = reach(new, seeds, state.pseudonyms, state.customers)
    if ending:
        await _load_members(driver, state, ending, erasable)


async def _load_erased(driver: asyncpg.Connection, state: Slice, ids: Iterable[bytes]) -> None:
    state.erased.load(await driver.fetch("SELECT id, request FROM erased WHERE id = ANY($1)", list(ids)))


async def _load_owned(driver: asyncpg.Connection, state: Slice, column: str, ids: Iterable[bytes]) -> None:
    rows = await driver.fetch(_OWNED.format(column), list(ids))
    state.pseudonyms.load((row[0], Owned(row[1], row[2], Birth(row[3], row[4]))) for row in rows)


async def _load_members(driver: asyncpg.Connection, state: Slice, ending: set[bytes], erasable: set[bytes]) -> None:
    """Loads everything that belongs to customers that may end, and the evidence of those that may be erased."""
    members = {customer: Members() for customer in ending}
    state.members.update(members)
    await _load_owned(driver, state, "customer", ending)
    for pseudonym, owned in state.pseudonyms.items():
        if owned.customer in members:
            members[owned.customer].pseudonyms.append(pseudonym)
    for row in await driver.fetch(_FORMER, list(ending)):
        state.former.load([(row[0], Former(row[1], row[2], row[3]))])
        members[row[1]].former.append(row[0])
    rows = await driver.fetch(_BINDINGS, list(ending))
    state.bindings.load((row[0], row[1]) for row in rows)
    for binding, customer, carried, position, number in rows:
        members[customer].bindings.append(binding)
        if customer in erasable:
            state.evidence[binding] = Evidence(tuple(carried), Birth(position, number))
    if erasable:
        await _load_carried(driver, state)


async def _load_carried(driver: asyncpg.Connection, state: Slice) -> None:
    """Loads the owners of all that the evidence carries, to tell what nobody owns."""
    carried = {each for evidence in state.evidence.values() for each in evidence.pseudonyms}
    await _load_erased(driver, state, carried - state.pseudonyms.keys())
    await _load_owned(driver, state, "pseudonym", carried - state.pseudonyms.keys())


async def save(connection: AsyncConnection, partition: int, state: Slice) -> None:
    """Writes what evolved; rows go in the order of their keys."""
    driver = await driver_connection(connection)
    await _save_seen(driver, partition, state)
    await _insert_graph(driver, state)
    await _move_graph(driver, state)
    await _delete_graph(driver, state)
    await _save_refusals(driver, state)
    await _save_accounting(driver, state)
    for request, workspace, counts in state.confirmed:
        await note(driver, request, workspace, counts, partition)
    await set_clock(connection, partition, state.clock_before, state.clock)


async def _insert(driver: asyncpg.Connection, table: str, columns: str, records: Sequence[tuple[Any, ...]]) -> None:
    if records:
        await driver.copy_records_to_table(table, records=records, columns=columns.split())


async def _delete(driver: asyncpg.Connection, table: str, key: str, ids: Sequence[bytes]) -> None:
    if ids:
        await driver.execute(f"DELETE FROM {table} WHERE {key} = ANY($1)", ids)  # noqa: S608 - names are ours


async def _update(driver: asyncpg.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """`statement` takes the columns of `rows` as arrays."""
    if rows:
        await driver.execute(statement, *map(list, zip(*rows, strict=True)))


_MOVE = """
UPDATE {table} t SET customer = new.customer
FROM unnest($1::bytea[], $2::bytea[]) new(key, customer) WHERE t.{key} = new.key
"""
_COUNT_AGAIN = """
UPDATE seen SET at = new.at FROM unnest($1::bytea[], $2::bigint[]) new(event_id, at) WHERE seen.event_id = new.event_id
"""
_BOOK = """
INSERT INTO accounting AS a SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[])
ON CONFLICT (workspace, source) DO UPDATE SET fresh = a.fresh + excluded.fresh,
duplicate = a.duplicate + excluded.duplicate, suppressed = a.suppressed + excluded.suppressed
"""
_SET_CLOCK = "INSERT INTO clock VALUES ($1, $2) ON CONFLICT (partition) DO UPDATE SET at = excluded.at"


async def _save_seen(driver: asyncpg.Connection, partition: int, state: Slice) -> None:
    await _insert(
        driver, "seen", "event_id at partition", [(each, at, partition) for each, at in state.seen.inserted()]
    )
    await _update(driver, _COUNT_AGAIN, state.seen.updated())


async def _insert_graph(driver: asyncpg.Connection, state: Slice) -> None:
    await _insert(
        driver,
        "pseudonyms",
        "pseudonym kind customer born_position born_number",
        [(each, owned.kind, owned.customer, *owned.born) for each, owned in state.pseudonyms.inserted()],
    )
    await _insert(
        driver,
        "bindings",
        "binding customer pseudonyms first_position first_number",
        [(each, customer, *_evidence(state, each)) for each, customer in state.bindings.inserted()],
    )
    await _insert(
        driver,
        "customers",
        "customer workspace born_position born_number",
        [(each, customer.workspace, *customer.born) for each, customer in state.customers.inserted()],
    )
    await _insert(
        driver,
        "former_customers",
        "former customer binding position",
        [(each, *former) for each, former in state.former.inserted()],
    )
    await _insert(driver, "erased", "id request", state.erased.inserted())


async def _move_graph(driver: asyncpg.Connection, state: Slice) -> None:
    """A stored row of the graph never changes but for the customer it belongs to."""
    owners = [(each, owned.customer) for each, owned in state.pseudonyms.updated()]
    await _update(driver, _MOVE.format(table="pseudonyms", key="pseudonym"), owners)
    await _update(driver, _MOVE.format(table="bindings", key="binding"), state.bindings.updated())
    winners = [(each, former.customer) for each, former in state.former.updated()]
    await _update(driver, _MOVE.format(table="former_customers", key="former"), winners)


async def _delete_graph(driver: asyncpg.Connection, state: Slice) -> None:
    await _delete(driver, "pseudonyms", "pseudonym", state.pseudonyms.deleted())
    await _delete(driver, "bindings", "binding", state.bindings.deleted())
    await _delete(driver, "customers", "customer", state.customers.deleted())
    await _delete(driver, "former_customers", "former", state.former.deleted())


def _evidence(state: Slice, binding: bytes) -> tuple[list[bytes], int, int]:
    evidence = state.evidence[binding]
    return list(evidence.pseudonyms), *evidence.first


async def _save_refusals(driver: asyncpg.Connection, state: Slice) -> None:
    await _delete(driver, "refusals", "binding", state.bindings.deleted())
    await _insert(
        driver,
        "refusals",
        "binding rule workspace position held_kinds held customers",
        [
            (
                *(each.binding, each.rule, workspace, position),
                [held.kind for held in each.held],
                [held.id for held in each.held],
                each.customers,
            )
            for position, workspace, each in state.refused
            if each.binding in state.bindings
        ],
    )


async def _save_accounting(driver: asyncpg.Connection, state: Slice) -> None:
    rows = [
        (*key, outcomes[FRESH], outcomes[DUPLICATE], outcomes[SUPPRESSED])
        for key, outcomes in sorted(state.booked.items())
    ]
    await _update(driver, _BOOK, rows)


async def set_clock(connection: AsyncConnection, partition: int, before: int, after: int) -> None:
    """Moves the clock and forgets the event ids that this puts behind the horizon."""
    driver = await driver_connection(connection)
    if after != before:
        await driver.execute(_SET_CLOCK, partition, after)
    if prune_is_due(before, after):
        await driver.execute("DELETE FROM seen WHERE at < $1 AND partition = $2", horizon(after), partition)


async def read_clock(connection: AsyncConnection, partition: int) -> int:
    """The partition's clock, 0 before the first entry."""
    driver = await driver_connection(connection)
    return await driver.fetchval("SELECT at FROM clock WHERE partition = $1", partition) or 0
