"""What ingest, the vault and identity would have put into the log, said by the test in a line each.

The cryptography is real; the vault is a dictionary; who is whom is what the test says.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from libs.common.contracts.body import EventBody, encode_body
from libs.common.contracts.events import EVENTS, Batch, Binding, Erasure, Event, EventsEntry, Pseudonym, Revealed
from libs.common.contracts.standing import Standing
from libs.common.contracts.stitched import (
    DUPLICATE,
    FRESH,
    STITCHED,
    SUPPRESSED,
    Erased,
    Facts,
    Linked,
    Merged,
    Moved,
    Origin,
    Refused,
    Stitched,
    Tick,
)
from libs.common.contracts.vault import ERASED, LIVE, UNKNOWN, Identifier, Key, WorkspaceReply
from libs.common.crypto import SUITES, binding_id, body_associated
from libs.common.errors import Unavailable
from libs.common.eventlog.base import EventLog, stitched_stream
from libs.common.vault_client import HeldKey

WORKSPACE = "default"
HOUR, DAY = 3_600_000_000, 86_400_000_000
NOON = 1_700_000_000_000_000 // DAY * DAY + 12 * HOUR


class DictVault:
    """A vault in memory. `away` makes it not answer."""

    def __init__(self, suite: str = "intl-v1") -> None:
        self.suite = SUITES[suite]
        self.pseudonyms: dict[Identifier, bytes] = {}
        self.data_keys: dict[bytes, bytes] = {}
        self.erased: set[bytes] = set()
        self.away = False
        self.asked = 0

    def pseudonym(self, identifier: Identifier) -> bytes:
        return self.pseudonyms.setdefault(identifier, self.suite.new_key()[:16])

    def bind(self, identifiers: Sequence[Identifier]) -> Binding:
        carried = [Pseudonym(each.kind, self.pseudonym(each)) for each in identifiers]
        binding = Binding(binding_id(WORKSPACE, (each.id for each in carried)), carried)
        self.data_keys.setdefault(binding.id, self.suite.new_key())
        return binding

    def erase(self, bindings: Sequence[bytes], pseudonyms: Sequence[bytes]) -> None:
        for binding in bindings:
            self.data_keys.pop(binding, None)
            self.erased.add(binding)
        self.pseudonyms = {i: p for i, p in self.pseudonyms.items() if p not in pseudonyms}

    def _key(self, binding: bytes) -> HeldKey:
        if binding in self.erased:
            return HeldKey(binding, Key(ERASED), None, 0)
        if binding not in self.data_keys:
            return HeldKey(binding, Key(UNKNOWN), None, 0)
        key = self.data_keys[binding]
        return HeldKey(binding, Key(LIVE, key), self.suite.sealer(key), 0)

    def _answer(self) -> None:
        self.asked += 1
        if self.away:
            raise Unavailable("the vault is away")

    async def keys(self, bindings: Sequence[bytes]) -> dict[bytes, HeldKey]:
        self._answer()
        return {binding: self._key(binding) for binding in bindings}

    async def workspace(self) -> WorkspaceReply:
        self._answer()
        return WorkspaceReply(WORKSPACE, 0, self.suite.name, bytes(32))

    async def find(self, identifiers: Sequence[Identifier]) -> list[bytes | None]:
        self._answer()
        return [self.pseudonyms.get(identifier) for identifier in identifiers]

    async def reveal(self, pseudonyms: Sequence[bytes]) -> list[Identifier | None]:
        self._answer()
        known = {p: i for i, p in self.pseudonyms.items()}
        return [known.get(pseudonym) for pseudonym in pseudonyms]


@dataclass
class DictStandings:
    """Privacy in memory: what stands by pseudonym. `away` makes it not answer."""

    consents: dict[bytes, dict[str, bool]] = field(default_factory=dict)
    restricted: set[bytes] = field(default_factory=set)
    away: bool = False

    async def standings(self, subjects: Sequence[Sequence[bytes]]) -> list[Standing]:
        if self.away:
            raise Unavailable("privacy is away")
        return [self._standing(subject) for subject in subjects]

    def _standing(self, subject: Sequence[bytes]) -> Standing:
        decisions = [each for pseudonym in subject for each in self.consents.get(pseudonym, {}).items()]
        consents = {purpose: all(granted for name, granted in decisions if name == purpose) for purpose, _ in decisions}
        return Standing(consents, not self.restricted.isdisjoint(subject))


def ids(**values: str) -> tuple[Identifier, ...]:
    """Identifiers by kind: `ids(phone="+8613912345678")`."""
    return tuple(Identifier(kind, value) for kind, value in values.items())


def track(event: str = "View", channel: str = "web", **fields: Any) -> EventBody:
    return EventBody("track", event, channel, **fields)


@dataclass
class Sent:
    """One event as a source sends it; `customer` is who the test says it is."""

    customer: bytes
    identifiers: tuple[Identifier, ...]
    body: EventBody = field(default_factory=track)
    at: int = NOON
    received: int = NOON + DAY
    source: str = "source-a"
    outcome: int = FRESH


class Happened(NamedTuple):
    """A fresh event where it stands in EVENTS; `at` is its effective time."""

    binding: bytes
    source: str
    body: EventBody
    at: int
    position: int
    idx: int


@dataclass
class World:
    """Builds EVENTS entries and identity's facts about them, and keeps who belongs to whom."""

    vault: DictVault = field(default_factory=DictVault)
    standings: DictStandings = field(default_factory=DictStandings)
    entries: list[tuple[bytes, Facts]] = field(default_factory=list)
    customers: dict[bytes, bytes] = field(default_factory=dict)
    pseudonyms: dict[bytes, list[bytes]] = field(default_factory=dict)
    happened: list[Happened] = field(default_factory=list)
    events: int = 0

    def send(self, *sent: Sent, merged: Sequence[Merged] = (), held: Sequence[Identifier] = ()) -> None:
        """Appends one batch; new bindings are linked to their sender's customer, without what is `held` out."""
        bindings = {each.identifiers: self.vault.bind(each.identifiers) for each in sent}
        table = list(bindings.values())
        sources = sorted({each.source for each in sent})
        events, linked = [], []
        for idx, each in enumerate(sent):
            binding = bindings[each.identifiers]
            place_in_log = (min(each.at, each.received), len(self.entries) + 1, idx)
            if each.outcome == FRESH:
                self.happened.append(Happened(binding.id, each.source, each.body, *place_in_log))
            event_id = self._event_id()
            associated = body_associated(self.vault.suite.name, WORKSPACE, binding.id, event_id)
            key = self.vault.data_keys.get(binding.id, bytes(self.vault.suite.key_bytes))
            sealed = self.vault.suite.sealer(key).seal(encode_body(each.body), associated)
            place = (sources.index(each.source), table.index(binding))
            events.append(Event(event_id, *place, each.at, each.received, sealed))
            if each.outcome == FRESH and binding.id not in self.customers:
                linked.append(Linked(binding.id, each.customer))
                self.customers[binding.id] = each.customer
                self.pseudonyms[binding.id] = [p.id for p in binding.pseudonyms]
        batch = Batch(WORKSPACE, NOON, self.vault.suite.name, sources, table, events, [], [])
        out = [Pseudonym(each.kind, self.vault.pseudonym(each)) for each in held]
        refused = [Refused(each.binding, "user_id limit 1", out, []) for each in linked if out]
        outcomes = bytes(each.outcome for each in sent)
        self._append(batch, Facts(outcomes, linked, list(merged), self._follow(merged), refused))

    def merge(self, winner: bytes, loser: bytes, *, tell: bool = True) -> None:
        """Joins two customers, with the facts that identity gives; `tell` names the bindings that move."""
        merged = [Merged(winner, loser, b"evidence")]
        moved = self._follow(merged)
        self._append(
            Batch(WORKSPACE, NOON, self.vault.suite.name, [], [], [], [], []),
            Facts(b"", [], merged, moved if tell else []),
        )

    def move(self, binding: bytes, customer: bytes) -> None:
        """Gives one binding to another customer."""
        moved = [Moved(binding, self.customers[binding], customer)]
        self.customers[binding] = customer
        self._append(Batch(WORKSPACE, NOON, self.vault.suite.name, [], [], [], [], []), Facts(b"", [], [], moved))

    def erase(self, *customers: bytes, destroy: bool = True) -> Erased:
        """Forgets customers; `destroy` also takes their keys out of the vault at once."""
        bindings = sorted(binding for binding, customer in self.customers.items() if customer in customers)
        pseudonyms = sorted({p for binding in bindings for p in self.pseudonyms[binding]})
        erased = Erased("request-1", NOON, sorted(customers), bindings, pseudonyms)
        for binding in bindings:
            del self.customers[binding]
        if destroy:
            self.vault.erase(bindings, pseudonyms)
        self._append(Erasure(WORKSPACE, NOON, "request-1", []), Facts(erased=[erased]))
        return erased

    def reveal(self, customer: bytes, *names: str) -> None:
        """An audit entry."""
        self._append(Revealed(WORKSPACE, NOON, "alice", customer, "service", list(names)), Facts())

    async def write(self, log: EventLog, *, entries_each: int = 1, ticks: bool = False) -> None:
        """Writes everything to STITCHED_0, as identity would, `entries_each` EVENTS entries in one of its own."""
        stream, first = stitched_stream(0), await self._written(log) + 1
        for start in range(first - 1, len(self.entries), entries_each):
            some = self.entries[start : start + entries_each]
            origin = Origin("log", start + 1, start + len(some))
            entry = Stitched(origin, NOON + origin.last, [data for data, _ in some], [facts for _, facts in some])
            await log.append(stream, STITCHED.encode(entry))
            if ticks:
                await log.append(
                    stream, STITCHED.encode(Tick(Origin("log", origin.last + 1, origin.last), NOON + origin.last))
                )

    async def _written(self, log: EventLog) -> int:
        last, stream = 0, stitched_stream(0)
        end = await log.end(stream)
        async with log.read(stream, 0) as reader:
            read = 0
            while read < end:
                for stored in await reader.next(max_entries=1000, max_bytes=1 << 30, wait=1):
                    read, last = stored.position, STITCHED.decode(stored.data).origin.last
        return last

    def _follow(self, merged: Sequence[Merged]) -> list[Moved]:
        moved = []
        for each in merged:
            for binding in sorted(b for b, c in self.customers.items() if c == each.loser):
                moved.append(Moved(binding, each.loser, each.winner))
                self.customers[binding] = each.winner
        return moved

    def _event_id(self) -> bytes:
        self.events += 1
        return self.events.to_bytes(16, "big")

    def _append(self, entry: EventsEntry, facts: Facts) -> None:
        self.entries.append((EVENTS.encode(entry), facts))


def customer(name: str) -> bytes:
    """A readable customer id."""
    return name.encode().ljust(16, b".")


__all__ = ["DAY", "DUPLICATE", "FRESH", "HOUR", "NOON", "SUPPRESSED", "WORKSPACE", "DictVault", "Sent", "World"]
