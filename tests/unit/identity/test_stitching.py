"""Who becomes one customer, who does not, and what the facts say about it."""

import copy

import pytest

from libs.common.contracts.events import SourceCreated
from libs.common.contracts.stitched import Facts, Linked, Merged, Moved
from libs.common.ids import birth_id
from services.identity.stitching import decide
from tests.unit.identity.people import LOG_ID, START, Partition, batch, binding


def born_at(position: int, number: int) -> bytes:
    return birth_id(LOG_ID, position, number)


def test_a_new_binding_starts_a_customer_named_after_the_birth_of_its_first_pseudonym() -> None:
    people = Partition()
    facts = people.send("u1")
    assert facts.linked == [Linked(binding("u1").id, born_at(1, 0))]


def test_a_known_binding_changes_nothing_but_the_count() -> None:
    people = Partition()
    people.send("u1 a1")
    assert people.send("u1 a1") == Facts(outcomes=bytes([0]))


def test_a_new_binding_of_a_known_customer_is_linked_to_it_with_its_new_pseudonyms() -> None:
    people = Partition()
    people.send("u1")
    facts = people.send("u1 a1 e1")
    assert facts.linked == [Linked(binding("u1 a1 e1").id, born_at(1, 0))]
    assert people.are_one("u1", "a1", "e1")


def test_history_before_the_login_joins_the_customer() -> None:
    people = Partition()
    people.send("a1")
    people.send("u1 a1")
    assert people.are_one("u1", "a1")
    assert people.customer_of_binding("a1") == people.customer("u1") == born_at(1, 0)


def test_two_customers_that_a_binding_joins_merge_into_the_older() -> None:
    people = Partition()
    people.send("e1")
    people.send("a1")
    people.send("a1 d1")
    facts = people.send("e1 a1")
    older, younger, evidence = born_at(1, 0), born_at(2, 0), binding("e1 a1").id
    assert facts.linked == [Linked(evidence, older)]
    assert facts.merged == [Merged(older, younger, evidence)]
    moved = {binding("a1").id, binding("a1 d1").id}
    assert facts.moved == [Moved(each, younger, older) for each in sorted(moved)]
    assert people.are_one("e1", "a1", "d1")


def test_a_merge_of_too_many_bindings_names_none_of_them_and_moves_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or whoever sends events could make an entry that no broker takes, and identity would stop for good."""
    monkeypatch.setattr("services.identity.draft.MAX_MOVED", 2)
    people = Partition()
    people.send("m1")
    people.send("m2", "m2 a1", "m2 a2")
    facts = people.send("m1 m2")
    assert facts.merged == [Merged(born_at(1, 0), born_at(2, 0), binding("m1 m2").id)]
    assert facts.moved == []
    assert {people.customer_of_binding(each) for each in ("m2", "m2 a1", "m2 a2", "m1 m2")} == {born_at(1, 0)}


def test_the_winner_is_the_older_even_when_the_younger_is_stronger() -> None:
    people = Partition()
    people.send("a1")
    people.send("u1")
    assert people.send("u1 a1").merged == [Merged(born_at(1, 0), born_at(2, 0), binding("u1 a1").id)]


def test_within_one_entry_the_smaller_number_is_older() -> None:
    people = Partition()
    people.send("e1", "a1")
    assert people.send("e1 a1").merged == [Merged(born_at(1, 0), born_at(1, 1), binding("e1 a1").id)]


def test_one_binding_can_merge_many_customers() -> None:
    people = Partition()
    people.send("a1", "a2", "a3", "a4")
    facts = people.send("a1 a2 a3 a4")
    assert {each.loser for each in facts.merged} == {born_at(1, number) for number in (1, 2, 3)}
    assert {each.winner for each in facts.merged} == {born_at(1, 0)}


def test_facts_of_an_entry_tell_only_the_difference_that_it_made() -> None:
    """e1 and a1 are born and joined within the entry: nobody ever saw two customers."""
    people = Partition()
    facts = people.send("e1", "a1", "e1 a1")
    assert {each.customer for each in facts.linked} == {born_at(1, 0)}
    assert (facts.merged, facts.moved) == ([], [])


def test_customers_that_merge_twice_in_an_entry_move_once_to_where_they_end() -> None:
    people = Partition()
    people.send("a1")
    people.send("a2")
    people.send("a3")
    facts = people.send("a2 a3", "a1 a2")
    assert facts.merged == [
        Merged(born_at(1, 0), born_at(3, 0), binding("a2 a3").id),
        Merged(born_at(1, 0), born_at(2, 0), binding("a1 a2").id),
    ]
    assert facts.moved == [
        Moved(binding("a3").id, born_at(3, 0), born_at(1, 0)),
        Moved(binding("a2").id, born_at(2, 0), born_at(1, 0)),
    ]


def test_the_same_pseudonym_twice_in_a_binding_counts_once() -> None:
    people = Partition()
    people.send("p1 p1 p1 p1 u1")
    assert people.are_one("p1", "u1")


def test_a_binding_without_pseudonyms_is_refused_loudly() -> None:
    with pytest.raises(ValueError, match="carries no pseudonym"):
        Partition().send("")


def test_other_entries_only_move_the_clock() -> None:
    people = Partition()
    assert people.take(SourceCreated("w", START, "s", "shop", "store", b"")) == Facts()
    assert people.state.clock == START


def test_deciding_changes_nothing() -> None:
    people = Partition()
    people.send("u1 a1", "a2", "e1")
    before = copy.deepcopy(people.state)
    decide(people.state, 2, batch([("x", "u1 a2 e1"), ("y", "u2 a1"), ("z", "a9")], START))
    assert people.state == before
