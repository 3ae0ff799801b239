"""The accounting of principle 5: nothing disappears silently.

Per source, at every moment:

    received = accepted + rejected + duplicate + suppressed          ingest, per entry
    accepted = fresh + duplicate + suppressed + in flight            identity
    fresh    = stored + erased + in flight                           profile

What is in flight is counted from the log itself, between the positions that the tables stand at. All tables are
read in one snapshot, so the equations hold while events arrive.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from libs.common.contracts.events import EVENTS, Batch
from libs.common.contracts.registry import Registry
from libs.common.contracts.stitched import FRESH, STITCHED, Stitched, origins
from libs.common.eventlog.base import EventLog, events_stream, stitched_stream
from libs.common.eventlog.jetstream import JetStreamLog, connect
from libs.devstack.errors import StackError
from libs.devstack.stack import Stack

Sources = Counter[str]

_INGEST = """
SELECT source, sum(received)::bigint AS received, sum(accepted)::bigint AS accepted, sum(rejected)::bigint AS rejected,
sum(duplicate)::bigint AS duplicate, sum(suppressed)::bigint AS suppressed FROM ingest.accounting GROUP BY source
"""
_IDENTITY = "SELECT source, fresh, duplicate, suppressed FROM identity.accounting"
_PROFILE = """
SELECT source, sum(stored)::bigint AS stored, sum(erased)::bigint AS erased FROM profile.accounting GROUP BY source
"""
_NAMES = "SELECT source, name FROM ingest.sources"
_POSITIONS = """
SELECT 'ingest' AS service, partition, position, out_position FROM ingest.positions UNION ALL
SELECT 'identity', partition, position, out_position FROM identity.positions UNION ALL
SELECT 'profile', partition, position, out_position FROM profile.positions
"""

_INGEST_COUNTS = ("received", "accepted", "rejected", "duplicate", "suppressed")
_IDENTITY_COUNTS = ("fresh", "duplicate", "suppressed", "in_flight")
_PROFILE_COUNTS = ("stored", "erased", "in_flight")


@dataclass
class Account:
    """One source's events, by what became of them."""

    source: str
    name: str = ""
    ingest: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_INGEST_COUNTS, 0))
    identity: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_IDENTITY_COUNTS, 0))
    profile: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_PROFILE_COUNTS, 0))

    @property
    def differences(self) -> dict[str, int]:
        """What each equation is off by; all zero when the account balances."""
        ingest, identity, profile = self.ingest, self.identity, self.profile
        return {
            "ingest": ingest["received"] - sum(ingest[name] for name in _INGEST_COUNTS[1:]),
            "identity": ingest["accepted"] - sum(identity.values()),
            "profile": identity["fresh"] - sum(profile.values()),
        }

    @property
    def balances(self) -> bool:
        """Whether every equation holds."""
        return not any(self.differences.values())


async def reconcile(stack: Stack) -> list[Account]:
    """Every source's account, by name. Raises StackError when the database does not answer."""
    tables = await _snapshot(stack)
    accounts = {row["source"]: Account(row["source"], row["name"]) for row in tables["names"]}
    for service in ("ingest", "identity", "profile"):
        for row in tables[service]:
            account = accounts.setdefault(row["source"], Account(row["source"]))
            getattr(account, service).update({name: count for name, count in row.items() if name != "source"})
    async with connect(stack.nats_url("identity"), "wanliu reconcile") as client:
        log = JetStreamLog(client)
        for partition, at in _positions(tables["positions"]).items():
            accepted = await _accepted_between(log, partition, at["identity"][0], at["ingest"][0])
            fresh = await _fresh_between(log, partition, at["profile"][0], at["identity"][1])
            for source, count in accepted.items():
                accounts[source].identity["in_flight"] += count
            for source, count in fresh.items():
                accounts[source].profile["in_flight"] += count
    return sorted(accounts.values(), key=lambda account: (account.name, account.source))


async def _snapshot(stack: Stack) -> dict[str, list[asyncpg.Record]]:
    queries = {
        "ingest": _INGEST,
        "identity": _IDENTITY,
        "profile": _PROFILE,
        "names": _NAMES,
        "positions": _POSITIONS,
    }
    try:
        connection = await stack.postgres.connect("wanliu")
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise StackError(f"PostgreSQL does not answer ({type(error).__name__}): `wanliu status` shows why") from error
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return {name: await connection.fetch(query) for name, query in queries.items()}
    finally:
        await connection.close()


def _positions(rows: list[asyncpg.Record]) -> dict[int, dict[str, tuple[int, int]]]:
    found: dict[int, dict[str, tuple[int, int]]] = {}
    for row in rows:
        start = {"ingest": (0, 0), "identity": (0, 0), "profile": (0, 0)}
        found.setdefault(row["partition"], start)[row["service"]] = (row["position"], row["out_position"])
    return found


async def _accepted_between(log: EventLog, partition: int, identity: int, ingest: int) -> Sources:
    """Events accepted at positions that ingest's tables have and identity's lack; negative the other way round."""
    return await _between(log, events_stream(partition), EVENTS, identity, ingest, _accepted)


async def _fresh_between(log: EventLog, partition: int, profile: int, identity: int) -> Sources:
    """Fresh events at positions that identity's tables have and profile's lack; negative the other way round."""
    return await _between(log, stitched_stream(partition), STITCHED, profile, identity, _fresh)


async def _between(
    log: EventLog, stream: str, registry: Registry, behind: int, ahead: int, sources: Callable[[Any], Iterator[str]]
) -> Sources:
    low, high = sorted((behind, ahead))
    found = Counter[str]()
    async for entry in _entries(log, stream, registry, low, high):
        found.update(sources(entry))
    return found if behind <= ahead else Counter({source: -count for source, count in found.items()})


async def _entries(log: EventLog, stream: str, registry: Registry, after: int, last: int) -> AsyncIterator[Any]:
    async with log.read(stream, after) as reader:
        while after < last:
            for stored in await reader.next(max_entries=min(64, last - after), max_bytes=8_000_000, wait=5):
                after = stored.position
                yield registry.decode(stored.data)


def _accepted(entry: Any) -> Iterator[str]:
    if isinstance(entry, Batch):
        yield from (entry.sources[event.source] for event in entry.events)


def _fresh(entry: Any) -> Iterator[str]:
    if isinstance(entry, Stitched):
        for _, origin, facts in origins(entry):
            if isinstance(origin, Batch):
                outcomes = zip(origin.events, facts.outcomes, strict=True)
                yield from (origin.sources[event.source] for event, outcome in outcomes if outcome == FRESH)
