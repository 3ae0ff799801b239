"""Laws of stitching, for any history."""

import random
from collections import defaultdict
from collections.abc import Sequence

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.clock import SECOND
from libs.common.contracts.events import Batch, Binding, Erasure, EventsEntry
from libs.common.contracts.stitched import FRESH, Facts
from libs.common.identifiers import KINDS
from libs.common.ids import birth_id
from services.identity.state import Slice
from services.identity.stitching import evolve
from tests.unit.identity.people import LOG_ID, START, Partition, batch, pseudonym

UNHURRIED = settings(deadline=None)

LIMITED = ["u1", "u2", "u3", "p1", "p2", "p3", "p4", "p5", "e1", "e2", "a1", "a2", "a3", "m1"]
UNLIMITED = ["e1", "e2", "e3", "a1", "a2", "a3", "a4", "d1", "d2", "m1"]


def carried(names: Sequence[str]) -> st.SearchStrategy[str]:
    """What one event carries: up to four of the names."""
    return st.lists(st.sampled_from(names), min_size=1, max_size=4, unique=True).map(" ".join)


def batches(names: Sequence[str]) -> st.SearchStrategy[list[list[str]]]:
    """Batches of events, not erased."""
    return st.lists(st.lists(carried(names), min_size=1, max_size=5), min_size=1, max_size=10)


EVENT_IDS = st.integers(0, 30).map(str)
BATCH = st.lists(st.tuples(EVENT_IDS, carried(LIMITED)), min_size=1, max_size=5)
ERASURE = st.lists(st.sampled_from(LIMITED), max_size=2, unique=True)
HISTORY = st.lists(BATCH | BATCH | BATCH | ERASURE.map(tuple), min_size=1, max_size=12)
"""Batches in which events repeat, and erasures (tuples)."""


def entries_of(history: Sequence[object]) -> list[EventsEntry]:
    found: list[EventsEntry] = []
    for number, step in enumerate(history):
        at = START + number * SECOND
        if isinstance(step, tuple):
            found.append(Erasure("w", at, f"r{number}", [pseudonym(each) for each in step]))
        else:
            assert isinstance(step, list)
            found.append(batch(step, at))
    return found


def take(entries: Sequence[EventsEntry]) -> Partition:
    people = Partition()
    for entry in entries:
        people.take(entry)
    return people


def facts_of(people: Partition) -> list[Facts]:
    return [facts for _, _, facts in people.history]


@UNHURRIED
@given(HISTORY)
def test_folding_the_facts_again_gives_the_state_that_deciding_gave(history: list[object]) -> None:
    live, again = take(entries_of(history)), Slice(LOG_ID)
    for position, entry, facts in live.history:
        stored = msgspec.msgpack.decode(msgspec.msgpack.encode(facts), type=Facts)
        evolve(again, position, entry, stored)
    assert again == live.state


@UNHURRIED
@given(HISTORY, st.randoms(use_true_random=False))
def test_the_order_of_a_bindings_pseudonyms_does_not_matter(history: list[object], draw: random.Random) -> None:
    def shuffled(entry: EventsEntry) -> EventsEntry:
        if not isinstance(entry, Batch):
            return entry
        bindings = [Binding(each.id, draw.sample(each.pseudonyms, len(each.pseudonyms))) for each in entry.bindings]
        return msgspec.structs.replace(entry, bindings=bindings)

    entries = entries_of(history)
    one, other = take(entries), take([shuffled(entry) for entry in entries])
    assert facts_of(one) == facts_of(other)
    assert one.state == other.state


@UNHURRIED
@given(HISTORY)
def test_no_customer_ever_exceeds_a_limit(history: list[object]) -> None:
    people = Partition()
    for entry in entries_of(history):
        people.take(entry)
        held: defaultdict[tuple[bytes, str], int] = defaultdict(int)
        for owned in people.state.pseudonyms.values():
            held[owned.customer, owned.kind] += 1
        for (_, kind), number in held.items():
            limit = KINDS[kind].limit
            assert limit is None or number <= limit


@UNHURRIED
@given(HISTORY)
def test_each_binding_and_all_it_carries_belong_to_one_customer_but_for_what_was_held_out(
    history: list[object],
) -> None:
    people = take(entries_of(history))
    state = people.state
    held = {(each.binding, one.id) for facts in facts_of(people) for each in facts.refused for one in each.held}
    for binding, customer in state.bindings.items():
        assert customer in state.customers
        for each in state.evidence[binding].pseudonyms:
            # What was erased with another customer had been held out here.
            assert (binding, each) in held or state.pseudonyms[each].customer == customer


@UNHURRIED
@given(HISTORY)
def test_a_customer_bears_the_birth_of_its_oldest_pseudonym(history: list[object]) -> None:
    state = take(entries_of(history)).state
    births: defaultdict[bytes, list[tuple[int, int]]] = defaultdict(list)
    for owned in state.pseudonyms.values():
        births[owned.customer].append(owned.born)
    assert births.keys() == state.customers.keys()
    for customer, born in births.items():
        assert state.customers[customer].born == min(born)
        assert customer == birth_id(LOG_ID, *min(born))


@UNHURRIED
@given(HISTORY)
def test_the_facts_alone_tell_every_bindings_customer(history: list[object]) -> None:
    """As a reader of STITCHED sees it: linked, then moved from where it was, then erased."""
    people, told = take(entries_of(history)), dict[bytes, bytes]()
    for facts in facts_of(people):
        for linked in facts.linked:
            assert linked.binding not in told
            told[linked.binding] = linked.customer
        for moved in facts.moved:
            assert told[moved.binding] == moved.origin != moved.customer
            told[moved.binding] = moved.customer
        ended = {merged.loser for merged in facts.merged}
        assert ended.isdisjoint(told.values())
        for erased in facts.erased:
            for binding in erased.bindings:
                told.pop(binding, None)
    assert told == people.state.bindings


@UNHURRIED
@given(batches(UNLIMITED))
def test_without_limits_customers_are_the_connected_groups(history: list[list[str]]) -> None:
    people = Partition()
    for names in history:
        people.send(*names)
    groups: list[set[str]] = []
    for names in (each.split() for events in history for each in events):
        touched = [group for group in groups if group & set(names)]
        groups = [group for group in groups if group not in touched] + [set(names).union(*touched)]
    found: defaultdict[bytes | None, set[str]] = defaultdict(set)
    for name in set().union(*groups):
        found[people.customer(name)].add(name)
    assert sorted(map(sorted, found.values())) == sorted(map(sorted, groups))


@UNHURRIED
@given(batches(LIMITED), st.randoms(use_true_random=False))
def test_repeated_events_change_nothing_but_the_counts(history: list[list[str]], draw: random.Random) -> None:
    once, repeated = Partition(), Partition()
    sent: list[tuple[str, str]] = []
    for number, carried_names in enumerate(history):
        events = [(f"{number}.{k}", names) for k, names in enumerate(carried_names)]
        again = draw.sample(sent, min(len(sent), 3))
        # A repetition may come with other identifiers than the event had.
        again = [(event, draw.choice([names, "u3 a3"])) for event, names in again]
        at = START + number * SECOND
        first = once.take(batch(events, at))
        second = repeated.take(batch([*again, *events, *again], at))
        sent += events
        assert second.outcomes.count(FRESH) == len(events)
        assert msgspec.structs.replace(second, outcomes=b"") == msgspec.structs.replace(first, outcomes=b"")
    assert {name: once.customer(name) for name in LIMITED} == {name: repeated.customer(name) for name in LIMITED}


@UNHURRIED
@given(HISTORY)
def test_nothing_of_the_erased_is_left_in_what_remains(history: list[object]) -> None:
    people = take(entries_of(history))
    state, erased = people.state, people.state.erased.keys()
    assert erased.isdisjoint(state.pseudonyms)
    assert erased.isdisjoint(state.bindings)
    gone = {each for facts in facts_of(people) for one in facts.erased for each in one.customers}
    assert gone.isdisjoint(state.customers)
    assert gone.isdisjoint(state.former)
    assert all(former.customer in state.customers for former in state.former.values())
