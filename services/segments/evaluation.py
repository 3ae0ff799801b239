"""Whether a definition holds of a customer at a clock, and when that could change without any event. Pure.

Windows are sums of buckets: the bucket in which `clock - window` lies counts whole, so an event leaves a window of
n hours when the hour n + 1 after its own begins. Hours for windows of at most MAX_HOURS, UTC days beyond.
"""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
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


Rule = Callable[[Fragment, int], Verdict]
"""The verdict of a definition about a customer, who is the sum of their fragments, at a clock."""


def compiled(condition: Any) -> Rule:
    """The rule that a parsed definition is; what depends on the definition alone is worked out here, once."""
    inside = [compiled(each) for each in definition.children(condition)]
    if inside:
        return _composed(condition, inside)
    if isinstance(condition, definition.IfTrait):
        return partial(_trait_rule, condition.trait)
    if isinstance(condition, definition.IfEvent):
        return _event(condition.event)
    if isinstance(condition, definition.IfRevenue):
        return _revenue(condition.revenue)
    return _not_seen(condition.not_seen)


def evaluate(condition: Any, fragment: Fragment, clock: int) -> Verdict:
    """The verdict of a parsed definition, for whoever asks only once."""
    return compiled(condition)(fragment, clock)


def _composed(condition: Any, inside: Sequence[Rule]) -> Rule:
    together = all if isinstance(condition, definition.AllOf) else any
    wanted = not isinstance(condition, definition.NoneOf)

    def rule(fragment: Fragment, clock: int) -> Verdict:
        verdicts = [each(fragment, clock) for each in inside]
        holds = together([verdict.holds for verdict in verdicts]) is wanted
        return Verdict(holds, earliest([verdict.changes_at for verdict in verdicts]))

    return rule


def earliest(times: Iterable[int | None]) -> int | None:
    """The first of the times there are."""
    return min((time for time in times if time is not None), default=None)


def _trait_rule(trait: Trait, fragment: Fragment, _: int) -> Verdict:
    return Verdict(_trait(trait, fragment), None)


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


def _event(wanted: EventCount) -> Rule:
    name, compare, count = wanted.name, COMPARE[wanted.op], wanted.count

    def holds(total: int) -> bool:
        return compare(total, count)

    def ever(fragment: Fragment, _: int) -> Verdict:
        channels = fragment.channels.values()
        return Verdict(holds(sum([each.events[name].count for each in channels if name in each.events])), None)

    if wanted.within is None:
        return ever
    bucket, size = _window(wanted.within)

    def windowed(fragment: Fragment, clock: int) -> Verdict:
        series = [each.events[name] for each in fragment.channels.values() if name in each.events]
        buckets = [each.hours if bucket == HOUR else each.days for each in series]
        return _windowed(buckets, bucket, size, clock, holds)

    return windowed


def _revenue(wanted: Revenue) -> Rule:
    currency, compare, minor, within = wanted.currency, COMPARE[wanted.op], wanted.minor, wanted.within

    def holds(total: int) -> bool:
        return compare(total, minor)

    def rule(fragment: Fragment, clock: int) -> Verdict:
        amounts = [each.revenue[currency] for each in fragment.channels.values() if currency in each.revenue]
        if within is None or within.days is None:
            return Verdict(holds(sum([each.minor for each in amounts])), None)
        return _windowed([each.days for each in amounts], DAY, within.days, clock, holds)

    return rule


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


def _not_seen(wanted: NotSeen) -> Rule:
    silence = wanted.hours * HOUR if wanted.hours is not None else (wanted.days or 0) * DAY

    def rule(fragment: Fragment, clock: int) -> Verdict:
        last = max([channel.last_seen for channel in fragment.channels.values()], default=None)
        if last is None:
            return Verdict(False, None)
        return Verdict(True, None) if clock >= last + silence else Verdict(False, last + silence)

    return rule
