"""Stitching: from EVENTS entries to facts about customers, as a pure fold over one partition.

`decide` says what is so about one entry and changes nothing; `evolve` folds those facts into the state. Only
facts carry decisions: whoever folds the same entries and facts, now or in a replay under newer rules, ends in
the same state.
"""

from collections import Counter
from itertools import count

from libs.common.contracts.events import Batch, Erasure, EventsEntry
from libs.common.contracts.stitched import DUPLICATE, FRESH, SUPPRESSED, Facts, Merged
from services.identity.deduplication import is_recent
from services.identity.draft import Draft
from services.identity.erasure import closure, forget
from services.identity.linking import counts_of, plus
from services.identity.partition_clock import advance
from services.identity.state import Birth, Customer, Evidence, Former, Members, Owned, Slice


def decide(state: Slice, position: int, entry: EventsEntry) -> Facts:
    """What is so about the entry at `position`, given everything before it."""
    if isinstance(entry, Batch):
        return _decide_batch(state, position, entry)
    if isinstance(entry, Erasure):
        return Facts(erased=[closure(state, entry)])
    return Facts()


def _decide_batch(state: Slice, position: int, batch: Batch) -> Facts:
    """Only fresh events stitch: what was seen before, or belongs to an erased person, changes nothing."""
    draft, clock = Draft(state, position, batch.appended_at), advance(state.clock, batch.appended_at)
    seen, seen_here = state.seen, set[bytes]()
    outcomes = bytearray()
    for event in batch.events:
        binding = batch.bindings[event.binding]
        if draft.is_erased(binding):
            outcomes.append(SUPPRESSED)
        elif event.id in seen_here or is_recent(seen.get(event.id), clock):
            outcomes.append(DUPLICATE)
        else:
            outcomes.append(FRESH)
            seen_here.add(event.id)
            draft.link(binding)
    return draft.facts(bytes(outcomes))


def evolve(state: Slice, position: int, entry: EventsEntry, facts: Facts) -> None:
    """Folds what was decided about the entry at `position`."""
    state.clock = advance(state.clock, entry.appended_at)
    if isinstance(entry, Batch):
        _count(state, entry, facts.outcomes)
        _link(state, position, entry, facts)
    for merged in facts.merged:
        _merge(state, position, merged)
    for moved in facts.moved:
        state.bindings.put(moved.binding, moved.customer)
    state.refused.extend((position, entry.workspace, refused) for refused in facts.refused)
    for erased in facts.erased:
        state.confirmed.append((erased.request, entry.workspace, forget(state, erased)))


def _count(state: Slice, batch: Batch, outcomes: bytes) -> None:
    """Remembers what was fresh and books every outcome to its source."""
    fresh = [event.id for event, outcome in zip(batch.events, outcomes, strict=True) if outcome == FRESH]
    state.seen.put_all(fresh, state.clock)
    booked = Counter(zip((event.source for event in batch.events), outcomes, strict=True))
    for (source, outcome), events in booked.items():
        state.booked[batch.workspace, batch.sources[source]][outcome] += events


def _link(state: Slice, position: int, batch: Batch, facts: Facts) -> None:
    """New bindings, and the births of the pseudonyms that come with them, in the order of the facts."""
    bindings = {binding.id: binding for binding in batch.bindings}
    held = {(refused.binding, each.id) for refused in facts.refused for each in refused.held}
    births = count()
    for number, linked in enumerate(facts.linked):
        carried = {each.id: each for each in bindings[linked.binding].pseudonyms}
        for pseudonym in sorted(carried):
            if pseudonym not in state.pseudonyms and (linked.binding, pseudonym) not in held:
                born = Birth(position, next(births))
                _bear(state, batch.workspace, pseudonym, Owned(carried[pseudonym].kind, linked.customer, born))
        state.bindings.put(linked.binding, linked.customer)
        state.evidence[linked.binding] = Evidence(tuple(sorted(carried)), Birth(position, number))
        if members := state.members.get(linked.customer):
            members.bindings.append(linked.binding)


def _bear(state: Slice, workspace: str, pseudonym: bytes, owned: Owned) -> None:
    """A pseudonym appears, and its customer with it if that is new."""
    if owned.customer not in state.customers:
        state.customers.put(owned.customer, Customer(workspace, owned.born))
        state.counts[owned.customer] = {}
        state.members[owned.customer] = Members()
    state.pseudonyms.put(pseudonym, owned)
    state.counts[owned.customer] = plus(state.counts[owned.customer], counts_of(owned.kind))
    if members := state.members.get(owned.customer):
        members.pseudonyms.append(pseudonym)


def _merge(state: Slice, position: int, merged: Merged) -> None:
    """All that was the loser's is the winner's, whether facts name its bindings or not (see Moved)."""
    gone = state.members.pop(merged.loser)
    for binding in gone.bindings:
        state.bindings.put(binding, merged.winner)
    for pseudonym in gone.pseudonyms:
        state.pseudonyms.put(pseudonym, state.pseudonyms[pseudonym]._replace(customer=merged.winner))
    for former in gone.former:
        state.former.put(former, state.former[former]._replace(customer=merged.winner))
    state.former.put(merged.loser, Former(merged.winner, merged.binding, position))
    gone.former.append(merged.loser)
    state.counts[merged.winner] = plus(state.counts[merged.winner], state.counts.pop(merged.loser))
    state.customers.drop(merged.loser)
    if members := state.members.get(merged.winner):
        members.absorb(gone)
