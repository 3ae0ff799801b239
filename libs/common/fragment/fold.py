"""Events into fragments, fragments into profiles."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from libs.common.contracts.body import EventBody, Money
from libs.common.fragment.model import (
    MAX_NAME_LENGTH,
    MAX_VALUE_BYTES,
    Amount,
    Channel,
    Fragment,
    Series,
    Touch,
    Trait,
)
from libs.common.fragment.revenue import sign
from libs.common.fragment.sessions import add_moment, union

_SECOND, _HOUR, _DAY = 1_000_000, 3_600_000_000, 86_400_000_000
_encoder = msgspec.msgpack.Encoder()


def effective_time(occurred_at: int, received_at: int) -> int:
    """When the event counts as having happened: not after it was received."""
    return occurred_at if occurred_at < received_at else received_at


def of(body: EventBody, at: int, position: int, index: int) -> Fragment:
    """The fragment of one event."""
    fragment = Fragment()
    add_event(fragment, body, at, position, index)
    return fragment


def add_event(fragment: Fragment, body: EventBody, at: int, position: int, index: int) -> None:
    """Folds one event into `fragment`, in place: the same as merging `of(event)`.

    `at` is its effective time in microseconds; (position, index) its place in EVENTS, which breaks ties.
    """
    channel = fragment.channels.get(body.channel)
    if channel is None:
        channel = fragment.channels[body.channel] = Channel(at, at)
    elif at > channel.last_seen:
        channel.last_seen = at
    elif at < channel.first_seen:
        channel.first_seen = at
    name = (body.event or body.type)[:MAX_NAME_LENGTH]
    series = channel.events.get(name)
    if series is None:
        series = channel.events[name] = Series()
    day = at // _DAY
    _count(series, day, at // _HOUR)
    if body.money is not None:
        _pay(channel, series, body.money, name, day)
    intervals = channel.sessions.get(day)
    if intervals is None:
        intervals = channel.sessions[day] = []
    add_moment(intervals, (at - day * _DAY) // _SECOND)
    if body.medium or body.campaign:
        _touch(channel, body, at, position, index)
    # A group's traits describe the group (a company, a family), not the person.
    if body.traits and body.type != "group":
        _write(fragment.traits, body.traits, at, position, index)
    if body.personal and body.type != "group":
        _write(fragment.personal, body.personal, at, position, index)


def set_computed(fragment: Fragment, values: Mapping[str, Any], at: int, position: int, index: int) -> None:
    """Writes computed traits, in place; None deletes."""
    _write(fragment.computed, values, at, position, index)


def merge(*fragments: Fragment) -> Fragment:
    """The sum; no argument is changed and the result shares nothing mutable with them."""
    total = Fragment()
    for fragment in fragments:
        for name, channel in fragment.channels.items():
            if name not in total.channels:
                total.channels[name] = Channel(channel.first_seen, channel.last_seen)
            _add_channel(total.channels[name], channel)
        _last_writer(total.traits, fragment.traits)
        _last_writer(total.personal, fragment.personal)
        _last_writer(total.computed, fragment.computed)
    return total


def _count(series: Series, day: int, hour: int) -> None:
    series.count += 1
    series.days[day] = series.days.get(day, 0) + 1
    series.hours[hour] = series.hours.get(hour, 0) + 1


def _pay(channel: Channel, series: Series, money: Money, name: str, day: int) -> None:
    _add_money(series.money, money.currency, 1, money.minor, day)
    direction = sign(name)
    if direction:
        # A refund is stated as a positive or a negative amount; it never adds.
        minor = money.minor if direction > 0 else -abs(money.minor)
        _add_money(channel.revenue, money.currency, direction > 0, minor, day)


def _add_money(amounts: dict[str, Amount], currency: str, count: int, minor: int, day: int) -> None:
    amount = amounts.get(currency)
    if amount is None:
        amount = amounts[currency] = Amount()
    amount.count += count
    amount.minor += minor
    amount.days[day] = amount.days.get(day, 0) + minor


def _touch(channel: Channel, body: EventBody, at: int, position: int, index: int) -> None:
    campaign = body.campaign
    touch = Touch(at, position, index, body.medium, campaign.get("source", ""), campaign.get("name", ""))
    if channel.first_touch is None or touch < channel.first_touch:
        channel.first_touch = touch
    if channel.last_touch is None or touch > channel.last_touch:
        channel.last_touch = touch


def _write(traits: dict[str, Trait], values: Mapping[str, Any], at: int, position: int, index: int) -> None:
    for key, value in values.items():
        name = key[:MAX_NAME_LENGTH]
        old = traits.get(name)
        if old is None or (old.at, old.position, old.index) <= (at, position, index):
            traits[name] = Trait(at, position, index, value if _fits(value) else None)


def _fits(value: Any) -> bool:
    if isinstance(value, str) and len(value) <= MAX_VALUE_BYTES // 4:
        return True
    return len(_encoder.encode(value)) <= MAX_VALUE_BYTES


def _add_channel(total: Channel, part: Channel) -> None:
    total.first_seen = min(total.first_seen, part.first_seen)
    total.last_seen = max(total.last_seen, part.last_seen)
    for name, series in part.events.items():
        add_series(total.events.setdefault(name, Series()), series)
    if part.other is not None:
        total.other = total.other or Series()
        add_series(total.other, part.other)
    firsts = [touch for touch in (total.first_touch, part.first_touch) if touch is not None]
    lasts = [touch for touch in (total.last_touch, part.last_touch) if touch is not None]
    total.first_touch = min(firsts, default=None)
    total.last_touch = max(lasts, default=None)
    _add_amounts(total.revenue, part.revenue)
    for day, intervals in part.sessions.items():
        total.sessions[day] = union(total.sessions.get(day, []), intervals)


def add_series(total: Series, part: Series) -> None:
    """Adds `part` to `total`, in place."""
    total.count += part.count
    _add_counts(total.days, part.days.items())
    _add_counts(total.hours, part.hours.items())
    _add_amounts(total.money, part.money)


def _add_amounts(total: dict[str, Amount], part: Mapping[str, Amount]) -> None:
    for currency, amount in part.items():
        into = total.setdefault(currency, Amount())
        into.count += amount.count
        into.minor += amount.minor
        _add_counts(into.days, amount.days.items())


def _add_counts(total: dict[int, int], part: Iterable[tuple[int, int]]) -> None:
    for key, count in part:
        total[key] = total.get(key, 0) + count


def _last_writer(total: dict[str, Trait], part: Mapping[str, Trait]) -> None:
    for name, trait in part.items():
        old = total.get(name)
        if old is None or (old.at, old.position, old.index) < (trait.at, trait.position, trait.index):
            total[name] = trait
