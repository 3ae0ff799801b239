"""Limits: what may not become one customer, what is held out, and what is told about it."""

from libs.common.contracts.stitched import Refused
from services.identity.linking import link
from services.identity.state import Birth, Owned
from tests.unit.identity.people import Partition, binding, pseudonym


def test_merge_is_refused_when_a_second_user_id_would_join() -> None:
    people = Partition()
    people.send("u1 e1")
    people.send("u2")
    facts = people.send("u2 e1")
    first, second = people.customer("u1"), people.customer("u2")
    assert first is not None
    assert second is not None
    assert facts.merged == []
    assert facts.refused == [Refused(binding("u2 e1").id, "user_id limit 1", [pseudonym("e1")], [second, first])]
    assert people.customer("e1") == first
    assert people.customer_of_binding("u2 e1") == second


def test_the_next_person_on_a_device_does_not_join_the_one_before() -> None:
    people = Partition()
    people.send("a1", "u1 a1")
    people.send("u2 a1")
    assert people.are_one("u1", "a1")
    assert not people.are_one("u1", "u2")
    assert people.customer_of_binding("u2 a1") == people.customer("u2")


def test_after_a_refusal_the_device_alone_still_belongs_to_its_first_person() -> None:
    people = Partition()
    people.send("u1 a1")
    people.send("u2 a1")
    people.send("a1")
    assert people.customer_of_binding("a1") == people.customer("u1")


def test_the_first_person_goes_on_using_the_device_after_the_second() -> None:
    people = Partition()
    people.send("u1 a1")
    people.send("u2 a1")
    people.send("u1 a1 e1")
    assert people.are_one("u1", "a1", "e1")


def test_the_second_persons_other_devices_join_the_second_person() -> None:
    people = Partition()
    people.send("u1 a1")
    people.send("u2 a1")
    people.send("u2 a2")
    people.send("a2")
    assert people.are_one("u2", "a2")
    assert not people.are_one("u1", "a2")


def test_what_breaks_no_limit_joins_although_something_stronger_was_held_out() -> None:
    """The phone is u1's, but the anonymous history in the same event is nobody's yet: it is u2's."""
    people = Partition()
    people.send("u1 p1")
    people.send("a2")
    facts = people.send("u2 p1 a2")
    assert [each.held for each in facts.refused] == [[pseudonym("p1")]]
    assert people.are_one("u2", "a2")
    assert people.are_one("u1", "p1")


def test_new_pseudonyms_go_with_the_binding_when_a_known_one_is_held_out() -> None:
    people = Partition()
    people.send("u1 p1")
    people.send("u2 p1 a2")
    assert people.are_one("u2", "a2")


def test_the_weaker_of_two_people_in_one_binding_is_held_out() -> None:
    people = Partition()
    people.send("u1 p1", "u2 e2")
    facts = people.send("e2 p1 d1")
    assert [each.held for each in facts.refused] == [[pseudonym("e2")]]
    assert people.are_one("u1", "p1", "d1")
    assert people.customer_of_binding("e2 p1 d1") == people.customer("u1")


def test_of_two_known_user_ids_in_one_binding_the_older_has_it() -> None:
    people = Partition()
    people.send("u9")
    people.send("u1")
    facts = people.send("u1 u9 a1")
    assert people.are_one("u9", "a1")
    assert [each.held for each in facts.refused] == [[pseudonym("u1")]]


def test_of_a_known_and_a_new_user_id_the_known_has_it_and_the_new_stays_unknown() -> None:
    people = Partition()
    people.send("u1")
    facts = people.send("u1 u2")
    customer = people.customer("u1")
    assert customer is not None
    assert facts.refused == [Refused(binding("u1 u2").id, "user_id limit 1", [pseudonym("u2")], [customer])]
    assert people.customer("u2") is None


def test_two_new_user_ids_in_one_binding_make_one_customer_of_one_of_them() -> None:
    people = Partition()
    facts = people.send("u1 u2")
    (held,) = facts.refused[0].held
    assert {people.customer(name) is None for name in ("u1", "u2")} == {True, False}
    assert held in (pseudonym("u1"), pseudonym("u2"))


def test_a_pseudonym_that_was_held_out_when_new_gets_a_customer_when_it_comes_alone() -> None:
    people = Partition()
    people.send("u1")
    people.send("u1 u2")
    people.send("u2")
    assert people.customer("u2") is not None
    assert not people.are_one("u1", "u2")


def test_a_customer_has_at_most_three_phones() -> None:
    people = Partition()
    people.send("u1 p1", "u1 p2", "u1 p3")
    facts = people.send("u1 p4")
    assert [(each.rule, each.held) for each in facts.refused] == [("phone limit 3", [pseudonym("p4")])]
    assert people.customer_of_binding("u1 p4") == people.customer("u1")
    assert people.customer("p4") is None


def test_customers_with_too_many_phones_together_do_not_merge() -> None:
    people = Partition()
    people.send("e1 p1", "e1 p2")
    people.send("e2 p3", "e2 p4")
    facts = people.send("e1 e2")
    assert [each.rule for each in facts.refused] == ["phone limit 3"]
    assert not people.are_one("e1", "e2")


def test_four_phones_in_one_binding_keep_three() -> None:
    people = Partition()
    facts = people.send("p1 p2 p3 p4")
    assert [(each.rule, len(each.held)) for each in facts.refused] == [("phone limit 3", 1)]
    assert sum(people.customer(name) is not None for name in ("p1", "p2", "p3", "p4")) == 3


def test_each_broken_rule_is_told_apart() -> None:
    people = Partition()
    people.send("u1 p1", "u1 p2", "u1 p3", "u2 e2")
    facts = people.send("u1 p4 e2")
    assert {each.rule: each.held for each in facts.refused} == {
        "phone limit 3": [pseudonym("p4")],
        "user_id limit 1": [pseudonym("e2")],
    }


def test_refusals_name_customers_as_they_are_after_the_entry() -> None:
    people = Partition()
    people.send("a1")
    people.send("u1 e1")
    people.send("u2")
    facts = people.send("u2 e1", "u1 a1")
    assert facts.refused[0].customers == [people.customer("u2"), people.customer("u1")]


def test_a_kind_of_a_later_build_links_without_limit_and_is_weakest() -> None:
    people = Partition()
    people.send("u1 q1", "u2 a1")
    facts = people.send("q1 a1")
    assert [each.held for each in facts.refused] == [[pseudonym("q1")]]


def test_a_customer_that_breaks_a_limit_made_stricter_later_still_gets_its_bindings() -> None:
    owner = Owned("user_id", b"customer", Birth(1, 0))
    found = link([pseudonym("u1"), pseudonym("a1")], {pseudonym("u1").id: owner}.get, lambda _: {"user_id": 2})
    assert (found.joined, found.new, found.held) == ([b"customer"], [pseudonym("a1")], {})
