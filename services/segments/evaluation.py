"""Whether a definition holds of a customer at a clock, and when that could change without any event. Pure.

Windows are sums of buckets: the bucket in which `clock - window` lies counts whole, so an event leaves a window of
n hours when the hour n + 1 after its own begins. Hours for windows of at most MAX_HOURS, UTC days beyond.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from libs.common.fragment import Fragment
from services.segments import definition
from services.segments.definition import MAX_HOURS, EventCount, NotSeen, Revenue, Trait, Within

HOUR, DAY = 3_600_000_000, 86_400_000_000

COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


class Verdict(NamedTuple):
    """`changes_at`: the first clock at which the passing of time may change `holds`; None if it cannot."""

    holds: bool
    changes_at: int | None


def evaluate(condition: Any, fragment: Fragment, clock: int) -> Verdict:
    """The verdict of a parsed definition about a customer, who is the sum of their fragments."""
    inside = definition.children(condition)
    if inside:
        verdicts = [evaluate(each, fragment, clock) for each in inside]
        held = [verdict.holds for verdict in verdicts]
        if isinstance(condition, definition.AllOf):
            holds = all(held)
        else:
            holds = any(held) if isinstance(condition, definition.AnyOf) else not any(held)
        return Verdict(holds, earliest(verdict.changes_at for verdict in verdicts))
    if isinstance(condition, definition.IfTrait):
        return Verdict(_trait(condition.trait, fragment), None)
    if isinstance(condition, definition.IfEvent):
        return _event(condition.event, fragment, clock)
    if isinstance(condition, definition.IfRevenue):
        return _revenue(condition.revenue, fragment, clock)
    return _not_seen(condition.not_seen, fragment, clock)


def earliest(times: Iterable[int | None]) -> int | None:
    """The first of the times there are."""
    return min((time for time in times if time is not None), default=None)


def _trait(trait: Trait, fragment: Fragment) -> bool:
    # What somebody's tools computed says more about a customer than what a source said.
    found = [known[trait.name].value for known in (fragment.computed, fragment.traits) if trait.name in known]
    value = next((each for each in found if each is not None), None)
    if trait.op == "exists":
        return (value is not None) == trait.value
    if value is None:
        return trait.op == "ne"
    if trait.op == "in":
        assert isinstance(trait.value, list)  # noqa: S101 - parse saw to it
        return any(_same(value, each) for each in trait.value)
    if trait.op in ("eq", "ne"):
        return _same(value, trait.value) == (trait.op == "eq")
    return _comparable(value, trait.value) and COMPARE[trait.op](value, trait.value)


def _same(value: Any, wanted: Any) -> bool:
    """Equal as JSON: true is not 1, but 1 is 1.0."""
    return bool(isinstance(value, bool) == isinstance(wanted, bool) and value == wanted)


def _comparable(value: Any, wanted: Any) -> bool:
    if isinstance(value, str) or isinstance(wanted, str):
        return isinstance(value, str) and isinstance(wanted, str)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _event(wanted: EventCount, fragment: Fragment, clock: int) -> Verdict:
    series = [channel.events[wanted.name] for channel in fragment.channels.values() if wanted.name in channel.events]
    if wanted.within is None:
        return Verdict(COMPARE[wanted.op](sum(each.count for each in series), wanted.count), None)
    bucket, size = _window(wanted.within)
    buckets = [each.hours if bucket == HOUR else each.days for each in series]
    return _windowed(buckets, bucket, size, clock, lambda total: COMPARE[wanted.op](total, wanted.count))


def _revenue(wanted: Revenue, fragment: Fragment, clock: int) -> Verdict:
    amounts = [
        channel.revenue[wanted.currency] for channel in fragment.channels.values() if wanted.currency in channel.revenue
    ]
    if wanted.within is None:
        return Verdict(COMPARE[wanted.op](sum(each.minor for each in amounts), wanted.minor), None)
    assert wanted.within.days is not None  # noqa: S101 - parse saw to it
    days = [each.days for each in amounts]
    return _windowed(days, DAY, wanted.within.days, clock, lambda total: COMPARE[wanted.op](total, wanted.minor))


def _window(within: Within) -> tuple[int, int]:
    """The bucket and how many of them."""
    hours = within.hours if within.hours is not None else 24 * (within.days or 0)
    return (HOUR, hours) if hours <= MAX_HOURS else (DAY, hours // 24)


def _windowed(
    series: Iterable[Mapping[int, int]], bucket: int, size: int, clock: int, holds: Callable[[int], bool]
) -> Verdict:
    """Sums the buckets inside the window; then lets them leave, oldest first, until the answer changes."""
    first = clock // bucket - size
    inside: dict[int, int] = {}
    for buckets in series:
        for number, amount in buckets.items():
            if number >= first:
                inside[number] = inside.get(number, 0) + amount
    total = sum(inside.values())
    now = holds(total)
    for number in sorted(inside):
        total -= inside[number]
        if holds(total) != now:
            return Verdict(now, (number + size + 1) * bucket)
    return Verdict(now, None)


def _not_seen(wanted: NotSeen, fragment: Fragment, clock: int) -> Verdict:
    last = max((channel.last_seen for channel in fragment.channels.values()), default=None)
    if last is None:
        return Verdict(False, None)
    silent_at = last + (wanted.hours * HOUR if wanted.hours is not None else (wanted.days or 0) * DAY)
    return Verdict(True, None) if clock >= silent_at else Verdict(False, silent_at)
