"""What holds of whom, when it stops holding by itself, to the bucket."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.contracts.body import EventBody, Money
from libs.common.fragment import Fragment, add_event, merge, set_computed
from services.segments.definition import parse
from services.segments.evaluation import DAY, HOUR, evaluate

NOW = 20_000 * DAY + 12 * HOUR + 1


def of(*events: tuple[int, EventBody]) -> Fragment:
    fragment = Fragment()
    for number, (at, body) in enumerate(events):
        add_event(fragment, body, at, number, 0)
    return fragment


def did(name: str = "Buy", at: int = NOW, minor: int | None = None, **traits: Any) -> tuple[int, EventBody]:
    return at, EventBody("track", name, "web", traits=traits, money=None if minor is None else Money(minor, "CNY"))


PERSON = of(did("Order Completed", NOW - 3 * DAY, 9900, plan="gold", age=30, tags="a", vip=True, gone=None))

HOLDS: list[tuple[Any, bool]] = [
    ({"trait": {"name": "plan", "op": "eq", "value": "gold"}}, True),
    ({"trait": {"name": "plan", "op": "ne", "value": "gold"}}, False),
    ({"trait": {"name": "none", "op": "ne", "value": "gold"}}, True),
    ({"trait": {"name": "none", "op": "eq", "value": "gold"}}, False),
    ({"trait": {"name": "plan", "op": "in", "value": ["free", "gold"]}}, True),
    ({"trait": {"name": "vip", "op": "eq", "value": 1}}, False),
    ({"trait": {"name": "vip", "op": "eq", "value": True}}, True),
    ({"trait": {"name": "age", "op": "eq", "value": 30.0}}, True),
    ({"trait": {"name": "age", "op": "gt", "value": 30}}, False),
    ({"trait": {"name": "age", "op": "gte", "value": 30}}, True),
    ({"trait": {"name": "age", "op": "lt", "value": "40"}}, False),
    ({"trait": {"name": "vip", "op": "gte", "value": 0}}, False),
    ({"trait": {"name": "gone", "op": "exists"}}, False),
    ({"trait": {"name": "gone", "op": "exists", "value": False}}, True),
    ({"event": {"name": "Order Completed"}}, True),
    ({"event": {"name": "Order Completed", "within": {"days": 3}}}, True),
    ({"event": {"name": "Order Completed", "within": {"days": 2}}}, False),
    ({"event": {"name": "Order Completed", "within": {"hours": 72}}}, True),
    ({"event": {"name": "Order Completed", "within": {"hours": 71}}}, False),
    ({"event": {"name": "Order Completed", "op": "lt", "count": 1, "within": {"days": 2}}}, True),
    ({"event": {"name": "Never", "op": "eq", "count": 0}}, True),
    ({"revenue": {"currency": "CNY", "minor": 9900}}, True),
    ({"revenue": {"currency": "CNY", "op": "gt", "minor": 9900}}, False),
    ({"revenue": {"currency": "USD", "minor": 1}}, False),
    ({"revenue": {"currency": "CNY", "minor": 9900, "within": {"days": 3}}}, True),
    ({"revenue": {"currency": "CNY", "minor": 9900, "within": {"days": 2}}}, False),
    ({"not_seen": {"days": 3}}, True),
    ({"not_seen": {"days": 4}}, False),
    ({"all": [{"event": {"name": "Order Completed"}}, {"not_seen": {"days": 4}}]}, False),
    ({"any": [{"event": {"name": "Order Completed"}}, {"not_seen": {"days": 4}}]}, True),
    ({"not": [{"event": {"name": "Never"}}, {"not_seen": {"days": 4}}]}, True),
    ({"not": [{"event": {"name": "Never"}}, {"not_seen": {"days": 3}}]}, False),
]


@pytest.mark.parametrize(("definition", "holds"), HOLDS, ids=str)
def test_what_holds(definition: Any, holds: bool) -> None:
    assert evaluate(parse(definition), PERSON, NOW).holds is holds


def test_a_computed_trait_is_believed_before_what_a_source_said() -> None:
    person = merge(PERSON)
    set_computed(person, {"plan": "platinum"}, NOW, 9, 0)
    assert evaluate(parse({"trait": {"name": "plan", "op": "eq", "value": "platinum"}}), person, NOW).holds


def test_nobody_who_was_never_seen_is_not_seen() -> None:
    assert evaluate(parse({"not_seen": {"days": 1}}), Fragment(), NOW) == (False, None)


def test_an_event_leaves_its_window_at_the_bucket_after() -> None:
    hourly = parse({"event": {"name": "Buy", "within": {"hours": 3}}})
    verdict = evaluate(hourly, of(did()), NOW)
    assert verdict == (True, 20_000 * DAY + 16 * HOUR)
    daily = parse({"event": {"name": "Buy", "within": {"days": 30}}})
    assert evaluate(daily, of(did()), NOW) == (True, 20_031 * DAY)


def test_the_time_named_is_that_of_the_event_that_matters() -> None:
    twice = parse({"event": {"name": "Buy", "count": 2, "within": {"hours": 3}}})
    verdict = evaluate(twice, of(did(at=NOW - 2 * HOUR), did(at=NOW - HOUR), did()), NOW)
    assert verdict == (True, 20_000 * DAY + 15 * HOUR)


names = st.sampled_from(["Buy", "View", "Order Completed"])
times = st.integers(0, 12 * 24).map(lambda hours: NOW - hours * HOUR)
events = st.lists(st.tuples(names, times, st.integers(0, 3)), max_size=8)
leaves = st.one_of(
    st.builds(
        lambda name, op, count, unit, size: {"event": {"name": name, "op": op, "count": count, "within": {unit: size}}},
        names,
        st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte"]),
        st.integers(0, 3),
        st.sampled_from(["hours", "days"]),
        st.integers(1, 10),
    ),
    st.builds(lambda hours: {"not_seen": {"hours": hours}}, st.integers(1, 300)),
    st.builds(
        lambda minor, days: {"revenue": {"currency": "CNY", "minor": minor, "within": {"days": days}}},
        st.integers(-2, 5),
        st.integers(1, 12),
    ),
)
trees = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda form, inside: {form: inside},
        st.sampled_from(["all", "any", "not"]),
        st.lists(inner, min_size=1, max_size=3),
    ),
    max_leaves=5,
)


@given(trees, events, st.integers(0, 15 * 24 * 4))
def test_nothing_changes_before_the_time_that_was_named(tree: Any, happened: Any, quarters: int) -> None:
    """The due rows are enough: between two looks the truth stands still."""
    condition, person = parse(tree), of(*(did(name, at, minor) for name, at, minor in happened))
    verdict, later = evaluate(condition, person, NOW), NOW + quarters * HOUR // 4
    if verdict.changes_at is None or later < verdict.changes_at:
        assert evaluate(condition, person, later).holds == verdict.holds
    else:
        assert verdict.changes_at > NOW


@given(events, st.integers(1, 10), st.integers(0, 3))
def test_a_window_counts_what_lies_in_it_to_the_bucket(happened: Any, days: int, count: int) -> None:
    person = of(*(did(name, at, minor) for name, at, minor in happened))
    condition = parse({"event": {"name": "Buy", "op": "gte", "count": count, "within": {"days": days}}})
    mine = [at for name, at, _ in happened if name == "Buy"]
    bucket = HOUR if days <= 7 else DAY
    surely = sum(at >= NOW - days * DAY for at in mine)
    at_most = sum(at >= NOW - days * DAY - bucket for at in mine)
    assert (surely >= count) <= evaluate(condition, person, NOW).holds <= (at_most >= count)


@given(trees, events, st.integers(0, 8))
def test_how_events_are_spread_over_bindings_does_not_matter(tree: Any, happened: Any, split: int) -> None:
    condition = parse(tree)
    all_events = [(number, *each) for number, each in enumerate(happened)]

    def part(some: Any) -> Fragment:
        fragment = Fragment()
        for number, name, at, minor in some:
            add_event(fragment, did(name, at, minor)[1], at, number, 0)
        return fragment

    together, apart = part(all_events), merge(part(all_events[:split]), part(all_events[split:]))
    assert evaluate(condition, together, NOW) == evaluate(condition, apart, NOW)
