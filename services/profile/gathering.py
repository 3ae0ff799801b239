"""From STITCHED entries to what must change, by binding. Pure: no I/O, no keys."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from libs.common.contracts.events import EVENTS, Batch, Binding, EventsEntry, Pseudonym, Revealed
from libs.common.contracts.stitched import FRESH, Erased, Facts, Merged, Stitched, StitchedEntry
from libs.common.fragment import effective_time


class Arrived(NamedTuple):
    """One fresh event, as the timeline keeps it. `position` and `idx` are its place in EVENTS."""

    binding: bytes
    at: int
    position: int
    idx: int
    event_id: bytes
    source: str
    sealed: bytes


@dataclass
class Joined:
    """A binding that becomes known, and the customer it belongs to at the end of the change."""

    workspace: str
    customer: bytes
    suite: str
    pseudonyms: list[Pseudonym]


class Owners:
    """Whose the bindings are that a change names, as its facts apply in their order."""

    def __init__(self) -> None:
        self.of: dict[bytes, bytes] = {}
        self._by_customer: defaultdict[bytes, set[bytes]] = defaultdict(set)

    def give(self, binding: bytes, customer: bytes) -> None:
        """The binding is the customer's from now on."""
        if binding in self.of:
            self._by_customer[self.of[binding]].discard(binding)
        self.of[binding] = customer
        self._by_customer[customer].add(binding)

    def merge(self, merged: Merged) -> None:
        """All that is the loser's now is the winner's."""
        for binding in self._by_customer.pop(merged.loser, ()):
            self.give(binding, merged.winner)


@dataclass
class Change:
    """What a run of entries changes. Merges come first, for they take all that the loser has stored; then `moved`.

    Erasures are applied last: after one, identity calls nothing fresh and links nothing that it forgot.
    """

    joined: dict[bytes, Joined] = field(default_factory=dict)
    moved: dict[bytes, bytes] = field(default_factory=dict)
    """Binding to customer; while gathering, to the customer that had it before."""
    merged: list[Merged] = field(default_factory=list)
    owners: Owners = field(default_factory=Owners)
    events: dict[bytes, list[Arrived]] = field(default_factory=dict)
    erased: list[tuple[str, Erased]] = field(default_factory=list)
    """With the workspace of each."""
    reveals: list[tuple[int, Revealed]] = field(default_factory=list)
    position: int = 0
    """The last EVENTS entry that the change covers, 0 when it covers none."""
    clock: int = 0

    def settle(self) -> None:
        """Says where bindings ended; moves that the merges themselves bring about are left out."""
        ended = aliases(self.merged)
        for binding, joined in self.joined.items():
            joined.customer = self.owners.of[binding]
        self.moved = {
            binding: self.owners.of[binding]
            for binding, origin in self.moved.items()
            if ended.get(origin) != self.owners.of[binding]
        }


def gather(entries: Iterable[tuple[int, StitchedEntry]]) -> Change:
    """The entries as one change."""
    change = Change()
    for _, entry in entries:
        if isinstance(entry, Stitched):
            for position, data, facts in _facts(entry):
                _gather(change, position, EVENTS.decode(data), facts)
                change.position = position
        change.clock = entry.clock
    change.settle()
    return change


def _facts(entry: Stitched) -> Iterator[tuple[int, bytes, Facts]]:
    for number, (data, facts) in enumerate(zip(entry.entries, entry.facts, strict=True)):
        yield entry.origin.first + number, data, facts


def _gather(change: Change, position: int, entry: EventsEntry, facts: Facts) -> None:
    if isinstance(entry, Batch):
        _gather_events(change, position, entry, facts.outcomes)
        _gather_joined(change, entry, facts)
    elif isinstance(entry, Revealed):
        change.reveals.append((position, entry))
    for merged in facts.merged:
        change.merged.append(merged)
        change.owners.merge(merged)
    for moved in facts.moved:
        change.owners.give(moved.binding, moved.customer)
        if moved.binding not in change.joined:
            change.moved.setdefault(moved.binding, moved.origin)
    change.erased += [(entry.workspace, erased) for erased in facts.erased]


def _gather_events(change: Change, position: int, batch: Batch, outcomes: bytes) -> None:
    if len(outcomes) != len(batch.events):
        raise ValueError(f"EVENTS {position} has {len(batch.events)} events, but {len(outcomes)} outcomes were decided")
    for idx, event in enumerate(batch.events):
        if outcomes[idx] != FRESH:
            continue
        binding = batch.bindings[event.binding].id
        at = effective_time(event.occurred_at, event.received_at)
        source = batch.sources[event.source]
        arrived = Arrived(binding, at, position, idx, event.id, source, event.body)
        known = change.events.get(binding)
        if known is None:
            change.events[binding] = [arrived]
        else:
            known.append(arrived)


def _gather_joined(change: Change, batch: Batch, facts: Facts) -> None:
    if not facts.linked:
        return
    carried: dict[bytes, Binding] = {binding.id: binding for binding in batch.bindings}
    held = {(refused.binding, each.id) for refused in facts.refused for each in refused.held}
    for linked in facts.linked:
        own = [each for each in carried[linked.binding].pseudonyms if (linked.binding, each.id) not in held]
        change.joined[linked.binding] = Joined(batch.workspace, linked.customer, batch.suite, own)
        change.owners.give(linked.binding, linked.customer)


def aliases(merged: Iterable[Merged]) -> dict[bytes, bytes]:
    """What each ended customer has become, through all the merges, which are given in order."""
    found: dict[bytes, bytes] = {}
    for each in reversed(list(merged)):
        # What comes later stands already, so the winner is followed to its end.
        found[each.loser] = found.get(each.winner, each.winner)
    return found
