"""What a segment is: its JSON, read into a tree of conditions, or refused with the place that is wrong.

    {"all": [{"trait": {"name": "plan", "op": "eq", "value": "gold"}},
             {"event": {"name": "Order Completed", "op": "gte", "count": 2, "within": {"days": 30}}},
             {"not": [{"not_seen": {"days": 90}}]}]}

`all` of, `any` of, `not` any of. An empty `all` would hold for everybody, so lists have at least one condition.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, TypeAdapter, ValidationError

from libs.common.errors import AppError
from libs.common.fragment import DAYS_KEPT, HOURS_KEPT
from libs.common.fragment.model import MAX_NAME_LENGTH

MAX_HOURS = HOURS_KEPT - 24
MAX_DAYS = DAYS_KEPT - 34
MAX_DEPTH, MAX_CONDITIONS = 8, 50

Comparison = Literal["eq", "ne", "gt", "gte", "lt", "lte"]
Scalar = bool | int | Annotated[float, Field(allow_inf_nan=False)] | Annotated[str, Field(max_length=1024)]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]


class InvalidDefinition(AppError):
    """The definition is none; the detail names the place as a JSON pointer."""

    status, code = 422, "invalid_definition"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Within(_Strict):
    """The time up to now: of hours, or of days. One of both.

    Exact to one bucket: up to a week in hours of UTC, longer in days of UTC; the bucket in which the window begins
    counts whole.
    """

    hours: Annotated[int, Field(ge=1, le=MAX_HOURS)] | None = None
    days: Annotated[int, Field(ge=1, le=MAX_DAYS)] | None = None


class Trait(_Strict):
    """The trait's value compared. Without a value only `ne`, and `exists` with false, hold. Not personal traits."""

    name: Name
    op: Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "exists"]
    value: Scalar | Annotated[list[Scalar], Field(min_length=1, max_length=100)] = True


class EventCount(_Strict):
    """How often the event happened, on all channels; without `within`: ever."""

    name: Name
    op: Comparison = "gte"
    count: Annotated[int, Field(ge=0, le=1_000_000_000)] = 1
    within: Within | None = None


class Revenue(_Strict):
    """Orders less refunds in minor units (fen, cents) of one currency; `within` counts days of UTC."""

    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    op: Comparison = "gte"
    minor: Annotated[int, Field(ge=-(10**15), le=10**15)]
    within: Within | None = None


class NotSeen(_Strict):
    """No event of any kind for this long, to the microsecond; never for whoever had none at all."""

    hours: Annotated[int, Field(ge=1, le=24 * MAX_DAYS)] | None = None
    days: Annotated[int, Field(ge=1, le=MAX_DAYS)] | None = None


class IfTrait(_Strict):
    trait: Trait


class IfEvent(_Strict):
    event: EventCount


class IfRevenue(_Strict):
    revenue: Revenue


class IfNotSeen(_Strict):
    not_seen: NotSeen


class AllOf(_Strict):
    all: Annotated[list["Condition"], Field(min_length=1, max_length=MAX_CONDITIONS)]


class AnyOf(_Strict):
    any: Annotated[list["Condition"], Field(min_length=1, max_length=MAX_CONDITIONS)]


class NoneOf(_Strict):
    not_: Annotated[list["Condition"], Field(alias="not", min_length=1, max_length=MAX_CONDITIONS)]


FORMS = ("all", "any", "not", "trait", "event", "revenue", "not_seen")


def _form(given: Any) -> str | None:
    found = [form for form in FORMS if isinstance(given, dict) and form in given]
    return f"<{found[0]}>" if len(found) == 1 else None


Condition = Annotated[
    Annotated[AllOf, Tag("<all>")]
    | Annotated[AnyOf, Tag("<any>")]
    | Annotated[NoneOf, Tag("<not>")]
    | Annotated[IfTrait, Tag("<trait>")]
    | Annotated[IfEvent, Tag("<event>")]
    | Annotated[IfRevenue, Tag("<revenue>")]
    | Annotated[IfNotSeen, Tag("<not_seen>")],
    Discriminator(
        _form,
        custom_error_type="no_condition",
        custom_error_message=f"a condition is an object with exactly one of {', '.join(FORMS)}",
    ),
]
for _model in (AllOf, AnyOf, NoneOf):
    _model.model_rebuild()
_conditions: TypeAdapter[Any] = TypeAdapter(Condition)


def parse(given: Any, root: str = "") -> Any:
    """The condition that a definition (decoded JSON) is; `root` is where it stands. Raises InvalidDefinition."""
    try:
        condition = _conditions.validate_python(given)
    except ValidationError as error:
        raise InvalidDefinition(
            "; ".join(list(dict.fromkeys(_say(root, each) for each in error.errors()))[:5])
        ) from None
    _check(condition, root, 1, [0])
    return condition


def schema() -> dict[str, Any]:
    """The JSON Schema of a definition."""
    found = _conditions.json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Segment definition", **found}


def children(condition: Any) -> list[Any]:
    """The conditions inside a condition."""
    for form in (AllOf, AnyOf, NoneOf):
        if isinstance(condition, form):
            return list(getattr(condition, next(iter(form.model_fields))))
    return []


def _say(root: str, error: Any) -> str:
    """A JSON pointer into what was given, and what would be right; never what was given."""
    # Tags name the chosen form, which is no place; what follows `value` names types that were tried.
    parts = [str(part) for part in error["loc"] if not str(part).startswith("<")]
    if "value" in parts:
        place = "/".join(parts[: parts.index("value") + 1])
        return f"{root}/{place}: is a text, a number, true, false, or a list of at most 100 of them"
    return f"{'/'.join([root, *parts]) or '/'}: {error['msg']}"


def _check(condition: Any, place: str, depth: int, seen: list[int]) -> None:
    """What a schema says badly. Raises InvalidDefinition."""
    seen[0] += 1
    if depth > MAX_DEPTH or seen[0] > MAX_CONDITIONS:
        raise InvalidDefinition(
            f"{place or '/'}: at most {MAX_CONDITIONS} conditions, at most {MAX_DEPTH} of them inside each other"
        )
    inside = children(condition)
    if inside:
        form = next(iter(type(condition).model_fields)).rstrip("_")
        for number, each in enumerate(inside):
            _check(each, f"{place}/{form}/{number}", depth + 1, seen)
    elif isinstance(condition, IfTrait):
        _check_trait(condition.trait, f"{place}/trait")
    elif isinstance(condition, IfNotSeen):
        _check_time(condition.not_seen, f"{place}/not_seen")
    else:
        form, leaf = ("event", condition.event) if isinstance(condition, IfEvent) else ("revenue", condition.revenue)
        if leaf.within is not None:
            _check_time(leaf.within, f"{place}/{form}/within")
        if form == "revenue" and leaf.within is not None and leaf.within.days is None:
            raise InvalidDefinition(f"{place}/revenue/within: revenue is kept by days, so name `days`")


def _check_time(given: Within | NotSeen, place: str) -> None:
    if (given.hours is None) == (given.days is None):
        raise InvalidDefinition(f"{place}: name either `hours` or `days`")


def _check_trait(trait: Trait, place: str) -> None:
    wanted = {
        "in": (list, "a list"),
        "exists": (bool, "true or false"),
        "gt": (int | float | str, "a number or a text"),
    }
    wanted |= {op: wanted["gt"] for op in ("gte", "lt", "lte")} | {
        op: (bool | int | float | str, "one value") for op in ("eq", "ne")
    }
    kind, what = wanted[trait.op]
    if "value" not in trait.model_fields_set and trait.op != "exists":
        raise InvalidDefinition(f"{place}/value: is missing; op `{trait.op}` takes {what}")
    if not isinstance(trait.value, kind) or (trait.op in ("gt", "gte", "lt", "lte") and isinstance(trait.value, bool)):
        raise InvalidDefinition(f"{place}/value: op `{trait.op}` takes {what}")
