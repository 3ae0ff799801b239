"""Erasure: what is forgotten with a person, what stays, and what comes late."""

from libs.common.clock import DAY, SECOND
from libs.common.contracts.events import Erasure
from libs.common.contracts.stitched import FRESH, SUPPRESSED, Erased
from tests.unit.identity.people import START, Partition, binding, name_id, names_of, pseudonym


def test_erasure_covers_every_binding_and_pseudonym_of_the_person() -> None:
    people = Partition()
    people.send("a1", "u1 a1", "u1 e1", "u2")
    customer = people.customer("u1")
    (erased,) = people.erase("e1").erased
    assert erased.request == "r1"
    assert erased.customers == [customer]
    assert set(erased.bindings) == {binding(each).id for each in ("a1", "u1 a1", "u1 e1")}
    assert names_of(erased.pseudonyms, "a1 u1 e1 u2") == {"a1", "u1", "e1"}


def test_erasure_follows_merges_and_names_the_customers_that_ended() -> None:
    people = Partition()
    people.send("a1")
    people.send("a2")
    people.send("a3")
    first, second, third = (people.customer(name) for name in ("a1", "a2", "a3"))
    people.send("a2 a3")
    people.send("a1 a2")
    (erased,) = people.erase("a3").erased
    assert set(erased.customers) == {first, second, third}
    assert set(erased.bindings) == {binding(each).id for each in ("a1", "a2", "a3", "a2 a3", "a1 a2")}


def test_erasure_of_several_seeds_covers_all_their_customers() -> None:
    people = Partition()
    people.send("u1", "u2", "u3")
    (erased,) = people.erase("u1", "u2").erased
    assert names_of(erased.pseudonyms, "u1 u2 u3") == {"u1", "u2"}


def test_an_unknown_seed_is_forgotten_although_nothing_was_known_of_it() -> None:
    people = Partition()
    people.send("u1")
    assert people.erase("u9").erased == [Erased("r1", people.state.clock, [], [], [name_id("u9")])]
    assert people.customer("u1") is not None


def test_an_erasure_without_seeds_forgets_nothing() -> None:
    people = Partition()
    people.send("u1")
    (erased,) = people.erase().erased
    assert (erased.customers, erased.bindings, erased.pseudonyms) == ([], [], [])


def test_after_erasure_nothing_but_ids_is_left() -> None:
    people = Partition()
    people.send("a1", "a2")
    people.send("a1 a2 u1")
    people.erase("u1")
    state = people.state
    assert not state.pseudonyms
    assert not state.bindings
    assert not state.customers
    assert not state.former
    assert not state.members
    assert not state.counts
    assert not state.evidence
    assert set(state.erased.values()) == {"r1"}


def test_events_of_an_erased_binding_are_suppressed() -> None:
    people = Partition()
    people.send("u1", "u2")
    people.erase("u1")
    assert people.send("u1", "u2").outcomes == bytes([SUPPRESSED, FRESH])
    assert people.customer("u1") is None


def test_a_new_binding_with_an_erased_pseudonym_is_erased_as_it_comes() -> None:
    people = Partition()
    people.send("u1 a1")
    people.erase("u1", request="r7")
    facts = people.send("u1 e1", "e1")
    assert facts.outcomes == bytes([SUPPRESSED, FRESH])
    assert facts.erased == [Erased("r7", people.state.clock, [], [binding("u1 e1").id], [])]
    assert people.customer("e1") is not None


def test_a_late_binding_is_told_once() -> None:
    people = Partition()
    people.send("u1")
    people.erase("u1")
    assert len(people.send("u1 e1", "u1 e1").erased) == 1
    assert people.send("u1 e1").erased == []


def test_a_suppressed_event_is_not_remembered_as_counted() -> None:
    people = Partition()
    people.send("u1")
    people.erase("u1")
    people.send("u1", ids=["e"])
    assert people.send("u2", ids=["e"]).outcomes == bytes([FRESH])


def test_an_event_resent_after_erasure_stays_a_duplicate() -> None:
    """The vault gives the person new pseudonyms, the event keeps its id: it must not come back."""
    people = Partition()
    people.send("u1", ids=["e"])
    people.erase("u1")
    assert people.send("u2", ids=["e"]).linked == []


def test_another_persons_event_on_the_erased_persons_device_stays() -> None:
    people = Partition()
    people.send("u1 a1")
    people.send("u2 a1")
    (erased,) = people.erase("u1").erased
    assert binding("u2 a1").id not in erased.bindings
    assert people.send("u2 a1").outcomes == bytes([FRESH])


def test_erasing_the_second_person_leaves_the_device_with_the_first() -> None:
    people = Partition()
    people.send("u1 a1")
    people.send("u2 a1")
    (erased,) = people.erase("u2").erased
    assert names_of(erased.pseudonyms, "u1 u2 a1") == {"u2"}
    assert people.are_one("u1", "a1")


def test_a_pseudonym_that_nobody_owns_is_forgotten_with_the_binding_that_carries_it() -> None:
    people = Partition()
    people.send("u1 p1", "u1 p2", "u1 p3", "u1 p4")
    assert people.customer("p4") is None
    (erased,) = people.erase("u1").erased
    assert name_id("p4") in erased.pseudonyms


def test_the_person_may_start_anew_under_new_pseudonyms() -> None:
    people = Partition()
    people.send("u1")
    before = people.customer("u1")
    people.erase("u1")
    people.send("u2")
    assert people.customer("u2") not in (None, before)


def test_what_an_earlier_request_erased_is_not_erased_again() -> None:
    people = Partition()
    people.send("u1 a1")
    people.send("u2 a1")
    people.erase("u1", request="r1")
    (erased,) = people.erase("u2", request="r2").erased
    assert names_of(erased.pseudonyms, "u1 u2 a1") == {"u2"}


def test_a_repeated_request_names_its_seed_again_and_keeps_the_first() -> None:
    people = Partition()
    people.send("u1")
    people.erase("u1", request="r1")
    (erased,) = people.erase("u1", request="r2").erased
    assert (erased.customers, erased.bindings, erased.pseudonyms) == ([], [], [name_id("u1")])
    assert people.state.erased[name_id("u1")] == "r1"


def test_an_erasure_happens_when_it_was_asked_for_not_when_the_clock_says() -> None:
    """A host whose clock runs ahead has moved the partition's; the person's next event must not be suppressed."""
    people = Partition()
    people.send("u1", at=START)
    people.send("u2", at=START + 2 * DAY)
    assert people.state.clock == START + DAY
    (erased,) = people.take(Erasure("w", START + SECOND, "r1", [pseudonym("u1")])).erased
    assert erased.at == START + SECOND
