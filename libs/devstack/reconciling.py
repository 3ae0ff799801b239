"""The accounting of principle 5: every event that a source sent is stored, duplicate, rejected, suppressed,
erased, or on its way; nothing else, nothing twice.

Four services count independently, each at its own position of the log. One snapshot of their tables gives the
counts and positions together; what lies between two positions is in flight and is counted from the log
itself. So the equations must hold exactly at any moment, under any load:

    received                 = accepted + rejected + duplicate + suppressed          (ingest)
    accepted, less in flight = fresh + duplicate + suppressed                        (identity)
    fresh,    less in flight = stored + erased                                       (profile, insights)
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import asyncpg

from libs.common.eventlog.jetstream import JetStreamLog, connect
from libs.devstack.inflight import accepted_between, fresh_between
from libs.devstack.nats import OPERATOR
from libs.devstack.postgres import MAIN_DATABASE
from libs.devstack.stack import Stack

COUNTS = {
    "ingest": """SELECT source, sum(received)::bigint AS received, sum(accepted)::bigint AS accepted,
        sum(rejected)::bigint AS rejected, sum(duplicate)::bigint AS duplicate, sum(suppressed)::bigint AS suppressed
        FROM ingest.accounting WHERE workspace = $1 GROUP BY source""",
    "identity": "SELECT source, fresh, duplicate, suppressed FROM identity.accounting WHERE workspace = $1",
    "profile": "SELECT source, stored, erased FROM profile.accounting WHERE workspace = $1",
    "insights": "SELECT source, stored, erased FROM insights.accounting WHERE workspace = $1",
    "names": "SELECT source, name FROM ingest.sources WHERE workspace = $1",
}
READERS = ("ingest", "identity", "profile", "insights")


@dataclass(frozen=True)
class Account:
    """One source's events, by what became of them."""

    HEADINGS: ClassVar = (
        *("source", "received", "rejected", "duplicate", "suppressed", "stored", "erased", "in flight"),
    )

    source: str
    name: str
    ingest: Mapping[str, int]
    identity: Mapping[str, int]
    profile: Mapping[str, int]
    insights: Mapping[str, int]
    to_identity: int
    to_profile: int
    to_insights: int
    faults: list[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "faults", list(self._find_faults()))

    @property
    def balanced(self) -> bool:
        """Whether every event is accounted for."""
        return not self.faults

    def _find_faults(self) -> list[str]:
        ingest, identity, profile = self.ingest, self.identity, self.profile
        decided = identity["fresh"] + identity["duplicate"] + identity["suppressed"]
        kept = profile["stored"] + profile["erased"]
        held = self.insights["stored"] + self.insights["erased"]
        taken = ingest["accepted"] + ingest["rejected"] + ingest["duplicate"] + ingest["suppressed"]
        equations = (
            ("ingest received", ingest["received"], "and accounts for", taken),
            ("identity was given", ingest["accepted"] - self.to_identity, "and decided about", decided),
            ("profile was given", identity["fresh"] - self.to_profile, "and keeps or erased", kept),
            ("insights was given", identity["fresh"] - self.to_insights, "and keeps or erased", held),
        )
        return [
            f"{left} {a} events {right} {b}: {abs(a - b)} {'missing' if a > b else 'too many'}"
            for left, a, right, b in equations
            if a != b
        ]

    @property
    def summary(self) -> dict[str, int]:
        """received = the sum of all others."""
        return {
            "received": self.ingest["received"],
            "rejected": self.ingest["rejected"],
            "duplicate": self.ingest["duplicate"] + self.identity["duplicate"],
            "suppressed": self.ingest["suppressed"] + self.identity["suppressed"],
            "stored": self.profile["stored"],
            "erased": self.profile["erased"],
            "in_flight": self.to_identity + self.to_profile,
        }

    def as_row(self) -> list[str]:
        """For a table with HEADINGS."""
        return [self.name, *(str(count) for count in self.summary.values())]

    def as_json(self) -> dict[str, Any]:
        """For a machine."""
        return {
            "source": self.source,
            "name": self.name,
            "balanced": self.balanced,
            "faults": self.faults,
            **self.summary,
            "by_service": {
                "ingest": dict(self.ingest),
                "identity": dict(self.identity),
                "profile": dict(self.profile),
                "insights": dict(self.insights),
            },
        }


@dataclass(frozen=True)
class _Snapshot:
    counts: dict[str, dict[str, dict[str, Any]]]
    positions: dict[tuple[str, int], tuple[int, int]]


async def reconcile_all(stack: Stack) -> list[Account]:
    """One account per source, by name."""
    snapshot = await _snapshot(stack)
    to_identity: Counter[str] = Counter()
    to_profile: Counter[str] = Counter()
    to_insights: Counter[str] = Counter()
    async with connect(stack.nats_url(OPERATOR), "wanliu reconcile") as client:
        log = JetStreamLog(client)
        for partition in range(stack.partitions):
            at = {name: snapshot.positions.get((name, partition), (0, 0)) for name in READERS}
            ingested, (decided, published), folded = at["ingest"][0], at["identity"], at["profile"][0]
            to_identity.update(await accepted_between(log, partition, decided, ingested, stack.workspace))
            to_profile.update(await fresh_between(log, partition, folded, published, stack.workspace))
            told = at["insights"][0]
            to_insights.update(await fresh_between(log, partition, told, published, stack.workspace))
    accounts = [
        _account(source, snapshot, to_identity[source], to_profile[source], to_insights[source])
        for source in _sources(snapshot.counts)
    ]
    return sorted(accounts, key=lambda account: account.name)


async def _snapshot(stack: Stack) -> _Snapshot:
    connection = await stack.postgres.connect(MAIN_DATABASE)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            counts = {
                name: {row["source"]: dict(row) for row in await connection.fetch(query, stack.workspace)}
                for name, query in COUNTS.items()
            }
            return _Snapshot(counts, await _positions(connection))
    finally:
        await connection.close()


async def _positions(connection: asyncpg.Connection) -> dict[tuple[str, int], tuple[int, int]]:
    rows = [
        row
        for schema in READERS
        for row in await connection.fetch(
            f"SELECT '{schema}' AS service, partition, position, out_position FROM {schema}.positions"  # noqa: S608 - ours
        )
    ]
    return {(row["service"], row["partition"]): (row["position"], row["out_position"]) for row in rows}


def _sources(counts: Mapping[str, Mapping[str, object]]) -> list[str]:
    return sorted({source for by_source in counts.values() for source in by_source})


def _account(source: str, snapshot: _Snapshot, to_identity: int, to_profile: int, to_insights: int) -> Account:
    def of(service: str, *names: str) -> dict[str, int]:
        row = snapshot.counts[service].get(source, {})
        return {name: int(row.get(name, 0)) for name in names}

    return Account(
        source,
        str(snapshot.counts["names"].get(source, {}).get("name", source)),
        of("ingest", "received", "accepted", "rejected", "duplicate", "suppressed"),
        of("identity", "fresh", "duplicate", "suppressed"),
        of("profile", "stored", "erased"),
        of("insights", "stored", "erased"),
        to_identity,
        to_profile,
        to_insights,
    )
