"""Which definitions are taken, and what is said about the others: the place, and what would be right."""

from typing import Any

import pytest

from services.segments.definition import InvalidDefinition, parse, schema
from services.segments.schemas import Define

GOOD: list[Any] = [
    {"trait": {"name": "plan", "op": "eq", "value": "gold"}},
    {"trait": {"name": "plan", "op": "in", "value": ["gold", 1, True]}},
    {"trait": {"name": "plan", "op": "exists"}},
    {"trait": {"name": "age", "op": "gte", "value": 18}},
    {"event": {"name": "View"}},
    {"event": {"name": "View", "op": "eq", "count": 0, "within": {"hours": 168}}},
    {"revenue": {"currency": "CNY", "minor": 10_000, "within": {"days": 366}}},
    {"not_seen": {"days": 30}},
    {"all": [{"any": [{"event": {"name": "a"}}]}, {"not": [{"event": {"name": "b"}}]}]},
]

BAD: list[tuple[Any, str]] = [
    ({}, "/definition: a condition is an object with exactly one of all, any, not, trait"),
    ([], "/definition: a condition is an object with exactly one of"),
    ({"all": []}, "/definition/all: List should have at least 1 item"),
    ({"all": [{"event": {"name": "a"}}, {"foo": 1}]}, "/definition/all/1: a condition is an object"),
    ({"all": [{"event": {"name": "a"}}], "any": []}, "/definition: a condition is an object with exactly one of"),
    ({"any": [{"trait": {"name": "a", "op": "like", "value": 1}}]}, "/definition/any/0/trait/op: Input should be 'eq'"),
    ({"trait": {"name": "a", "op": "eq"}}, "/definition/trait/value: is missing"),
    ({"trait": {"name": "a", "op": "eq", "value": None}}, "/definition/trait/value: is a text, a number"),
    ({"trait": {"name": "a", "op": "eq", "value": [1]}}, "/definition/trait/value: op `eq` takes one value"),
    ({"trait": {"name": "a", "op": "in", "value": 1}}, "/definition/trait/value: op `in` takes a list"),
    ({"trait": {"name": "a", "op": "gt", "value": True}}, "/definition/trait/value: op `gt` takes a number or a text"),
    ({"event": {"name": "a", "count": "3"}}, "/definition/event/count: Input should be a valid integer"),
    ({"event": {"name": "a", "times": 3}}, "/definition/event/times: Extra inputs are not permitted"),
    ({"event": {"name": "a", "within": {}}}, "/definition/event/within: name either `hours` or `days`"),
    ({"event": {"name": "a", "within": {"hours": 1, "days": 1}}}, "/definition/event/within: name either"),
    ({"event": {"name": "a", "within": {"hours": 169}}}, "/definition/event/within/hours: Input should be less than"),
    ({"revenue": {"currency": "CNY", "minor": 1, "within": {"hours": 1}}}, "/definition/revenue/within: revenue is"),
    ({"not": [{"not_seen": {}}]}, "/definition/not/0/not_seen: name either `hours` or `days`"),
]


@pytest.mark.parametrize("definition", GOOD, ids=str)
def test_a_good_definition_is_taken(definition: Any) -> None:
    parse(definition)


@pytest.mark.parametrize(("definition", "said"), BAD, ids=str)
def test_a_bad_definition_is_refused_with_the_place(definition: Any, said: str) -> None:
    with pytest.raises(InvalidDefinition) as error:
        parse(definition, "/definition")
    assert error.value.detail.startswith(said), error.value.detail


def test_too_deep_and_too_many_are_refused() -> None:
    deep: Any = {"event": {"name": "a"}}
    for _ in range(8):
        deep = {"all": [deep]}
    with pytest.raises(InvalidDefinition, match="inside each other"):
        parse(deep)
    with pytest.raises(InvalidDefinition, match="at most 50"):
        parse({"all": [{"any": [{"event": {"name": "a"}}] * 30}] * 2})


def test_no_error_repeats_the_value() -> None:
    with pytest.raises(InvalidDefinition) as error:
        parse({"trait": {"name": "a", "op": "eq", "value": {"secret": "13912345678"}}})
    assert "13912345678" not in error.value.detail


def test_the_schema_names_every_form() -> None:
    said = str(schema())
    for form in ("all", "any", "not", "trait", "event", "revenue", "not_seen"):
        assert f"'{form}'" in said


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_what_json_does_not_have_is_no_number(number: float) -> None:
    """It would be null in the log, which no reader takes: the consumer would stop for good."""
    with pytest.raises(InvalidDefinition, match="/trait/value"):
        parse({"trait": {"name": "spent", "op": "gt", "value": number}})


def test_a_name_that_no_database_takes_is_refused() -> None:
    with pytest.raises(ValueError, match="name"):
        Define(name="buy\0ers", purpose="service", definition={})
