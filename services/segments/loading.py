"""Loads all that a batch of STITCHED entries can touch: whole customers, with all their bindings and keys."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import asyncpg

from libs.common.contracts.events import Batch, Consents, Restriction, SegmentDefined
from libs.common.contracts.stitched import FRESH, Stitched, StitchedEntry, origins
from libs.common.contracts.vault import ERASED, LIVE
from libs.common.vault_client import HeldKey
from services.segments.folding import PER_ENTRY
from services.segments.reading import read_definition
from services.segments.sealing import Sealed
from services.segments.state import Decided, Known, Member, Rows, Segment, SegmentsFault, State


class Keys(Protocol):
    """What folding needs of the vault: over NATS (libs.common.vault_client), and in tests."""

    async def keys(self, bindings: Sequence[bytes]) -> dict[bytes, HeldKey]:
        """The data key of each binding, or the word that it is erased or unknown. Raises errors.Unavailable."""
        ...


@dataclass
class Reach:
    """What the entries name: `pseudonyms` whose owners they concern, `carried` ones that only must be known."""

    bindings: set[bytes] = field(default_factory=set)
    linked: dict[bytes, tuple[str, str]] = field(default_factory=dict)
    customers: set[bytes] = field(default_factory=set)
    pseudonyms: set[bytes] = field(default_factory=set)
    carried: set[bytes] = field(default_factory=set)
    defined: set[str] = field(default_factory=set)
    clock: int = 0


def reach_of(entries: Iterable[StitchedEntry]) -> Reach:
    """What must be loaded to fold the entries."""
    reach = Reach()
    for entry in entries:
        reach.clock = max(reach.clock, entry.clock)
        if isinstance(entry, Stitched):
            for _, origin, facts in origins(entry):
                _reach(reach, origin)
                if isinstance(origin, Batch):
                    suites = (origin.workspace, origin.suite)
                    reach.linked |= {linked.binding: suites for linked in facts.linked}
                    numbered = zip(origin.events, facts.outcomes, strict=True)
                    fresh = {event.binding for event, outcome in numbered if outcome == FRESH}
                    reach.bindings |= {origin.bindings[number].id for number in fresh}
                reach.customers |= {linked.customer for linked in facts.linked}
                for merged in facts.merged:
                    reach.customers |= {merged.winner, merged.loser}
                for moved in facts.moved:
                    reach.bindings.add(moved.binding)
                    reach.customers |= {moved.origin, moved.customer}
                for erased in facts.erased:
                    reach.bindings.update(erased.bindings)
                    reach.customers.update(erased.customers)
                    reach.carried.update(erased.pseudonyms)
    return reach


def _reach(reach: Reach, origin: object) -> None:
    if isinstance(origin, Batch):
        reach.carried |= {each.id for binding in origin.bindings for each in binding.pseudonyms}
    elif isinstance(origin, Consents):
        reach.pseudonyms |= {each.pseudonym.id for each in origin.decisions}
    elif isinstance(origin, Restriction):
        reach.pseudonyms |= {each.id for each in origin.seeds}
    elif isinstance(origin, SegmentDefined):
        reach.defined.add(origin.workspace)


_CUSTOMERS = """
SELECT customer FROM bindings WHERE binding = ANY($1::bytea[]) UNION
SELECT b.customer FROM pseudonyms p JOIN bindings b USING (binding) WHERE p.pseudonym = ANY($2::bytea[])
"""
_DUE = "SELECT customer, at FROM due WHERE partition = $1 AND at <= $2 ORDER BY at, customer LIMIT $3"
_UPCOMING = """
SELECT DISTINCT customer FROM bindings WHERE workspace = $1 AND partition = $2 AND customer > $3
ORDER BY customer LIMIT $4
"""
_BINDINGS = """
SELECT b.binding, b.workspace, b.suite, b.customer, b.fragment,
       ARRAY(SELECT p.pseudonym FROM pseudonyms p WHERE p.binding = b.binding ORDER BY 1)
FROM bindings b WHERE b.customer = ANY($1::bytea[])
"""


async def load(
    driver: asyncpg.Connection, vault: Keys, partition: int, entries: Sequence[tuple[int, StitchedEntry]]
) -> State:
    """The state before the entries. Raises errors.Unavailable when the vault is away, SegmentsFault on a misfit."""
    await driver.execute("SET LOCAL enable_seqscan = off")
    reach, state = reach_of(entry for _, entry in entries), State()
    state.absorbed = entries[0][0] - 1
    await _load_partition(driver, state, partition)
    await _load_upcoming(driver, state, reach, partition, PER_ENTRY * len(entries))
    clock = max(reach.clock, state.clock)
    rows = await driver.fetch(_DUE, partition, clock, PER_ENTRY * len(entries))
    customers = reach.customers | {row[0] for row in rows}
    customers |= {customer for upcoming in state.upcoming.values() for customer in upcoming}
    customers |= {row[0] for row in await driver.fetch(_CUSTOMERS, list(reach.bindings), list(reach.pseudonyms))}
    await _load_customers(driver, state, sorted(customers))
    await _load_standing(driver, state, reach.carried | reach.pseudonyms)
    await _load_keys(vault, state, reach.linked)
    state.index()
    return state


async def _load_partition(driver: asyncpg.Connection, state: State, partition: int) -> None:
    row = await driver.fetchrow("SELECT at, position FROM clock WHERE partition = $1", partition)
    state.clock, state.events_position = (row[0], row[1]) if row else (0, 0)
    for found in await driver.fetch(
        "SELECT segment, workspace, name, purpose, definition, position, at FROM segments WHERE partition = $1",
        partition,
    ):
        segment, workspace, name, purpose, data, position, at = found
        rule = read_definition(segment, data)
        state.segments[segment] = Segment(workspace, name, purpose, data, rule, position, at)
    state.sweeps = Rows(await driver.fetch("SELECT workspace, after FROM sweeps WHERE partition = $1", partition))


async def _load_upcoming(driver: asyncpg.Connection, state: State, reach: Reach, partition: int, limit: int) -> None:
    for workspace in sorted(state.sweeps.keys() | reach.defined):
        after = b"" if workspace in reach.defined else state.sweeps[workspace]
        found = {row[0] for row in await driver.fetch(_UPCOMING, workspace, partition, after, limit)}
        # Whoever is born in this batch may be older than the definition in it.
        born = {customer for customer in reach.customers if customer > after}
        if len(found) < limit:
            state.complete.add(workspace)
        else:
            last = max(found)
            born = {customer for customer in born if customer <= last}
        state.upcoming[workspace] = sorted(found | born)


async def _load_customers(driver: asyncpg.Connection, state: State, customers: list[bytes]) -> None:
    for binding, workspace, suite, customer, fragment, own in await driver.fetch(_BINDINGS, customers):
        state.bindings[binding] = Known(workspace, suite, customer, tuple(own), fragment)
    for customer, segment, *member in await driver.fetch(
        "SELECT customer, segment, since, position, reason FROM members WHERE customer = ANY($1::bytea[])", customers
    ):
        state.members[customer, segment] = Member(*member)
    state.due = Rows(await driver.fetch("SELECT customer, at FROM due WHERE customer = ANY($1::bytea[])", customers))


async def _load_standing(driver: asyncpg.Connection, state: State, named: set[bytes]) -> None:
    pseudonyms = sorted(named.union(*(known.pseudonyms for known in state.bindings.values())))
    for pseudonym, purpose, *latest in await driver.fetch(
        "SELECT pseudonym, purpose, granted, decided_at FROM consents WHERE pseudonym = ANY($1::bytea[])", pseudonyms
    ):
        state.consents[pseudonym, purpose] = Decided(*latest)
    for pseudonym, request in await driver.fetch(
        "SELECT pseudonym, request FROM restrictions WHERE pseudonym = ANY($1::bytea[])", pseudonyms
    ):
        state.restrictions[pseudonym, request] = True


async def _load_keys(vault: Keys, state: State, linked: Mapping[bytes, tuple[str, str]]) -> None:
    """The keys of what is loaded and of what will be linked; None where erased."""
    wanted = sorted(state.bindings.keys() | linked.keys())
    found = await vault.keys(wanted) if wanted else {}
    for binding, held in found.items():
        known = state.bindings.get(binding)
        workspace, suite = linked[binding] if known is None else (known.workspace, known.suite)
        if held.state not in (LIVE, ERASED):
            raise SegmentsFault(
                f"the vault has neither a key nor an erasure of binding {binding.hex()}: "
                "it may have been restored from an old backup"
            )
        key = Sealed(held.sealer, suite, workspace, binding) if held.state == LIVE else None
        if known is None:
            state.keys[binding] = key
        else:
            known.key = key
