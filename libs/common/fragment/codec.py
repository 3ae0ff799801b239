"""Fragments as bytes: a version byte and msgpack, cut to size.

A fragment is a projection: another version is not upcast but rebuilt (`wanliu replay profile`).
"""

from typing import TypeVar

import msgspec

from libs.common.fragment.fold import add_series, merge
from libs.common.fragment.model import DAYS_KEPT, HOURS_KEPT, MAX_NAMES, Amount, Channel, Fragment, Series, Trait

VERSION = 1
CUT_BYTES = 2048
"""Below this size nothing needs to be cut, and looking for it would cost more than the rest of encoding."""
K = TypeVar("K", int, str)
V = TypeVar("V")
_HOUR, _DAY = 3_600_000_000, 86_400_000_000

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Fragment)


class UnknownFragment(Exception):
    """The fragment was written by another version of the algebra: the projection must be replayed."""


def encode(fragment: Fragment) -> bytes:
    """The bytes to keep; a fragment that has grown is cut in place first, which its sum does not feel."""
    data = _encoded(fragment)
    if data is None or len(data) > CUT_BYTES:
        cut(fragment)
        data = _encoder.encode(fragment)
    return bytes((VERSION,)) + data


def _encoded(fragment: Fragment) -> bytes | None:
    try:
        return _encoder.encode(fragment)
    except OverflowError:  # an amount beyond 64 bits, which `cut` wraps
        return None


def decode(data: bytes) -> Fragment:
    """The fragment. Raises UnknownFragment, or msgspec.DecodeError on damaged bytes."""
    if data[0] != VERSION:
        raise UnknownFragment(
            f"a fragment has version {data[0]}, this build knows {VERSION}: run `wanliu replay profile`"
        )
    return _decoder.decode(memoryview(data)[1:])


def canonical(fragment: Fragment) -> bytes:
    """The same bytes for every fragment of the same events; the argument is not changed."""
    copy = merge(fragment)
    cut(copy)
    copy.traits, copy.personal, copy.computed = map(_sorted, (copy.traits, copy.personal, copy.computed))
    copy.channels = _sorted(copy.channels)
    for channel in copy.channels.values():
        channel.events, channel.sessions = _sorted(channel.events), _sorted(channel.sessions)
        channel.revenue = _sorted_amounts(channel.revenue)
        for series in (*channel.events.values(), *filter(None, [channel.other])):
            _sort_series(series)
    return bytes((VERSION,)) + _encoder.encode(copy)


def cut(fragment: Fragment) -> None:
    """Drops, in place, what lies outside the windows before the newest event and beyond the name limits."""
    channels = fragment.channels.values()
    newest = max((channel.last_seen for channel in channels), default=0)
    for channel in channels:
        _cut_channel(channel, newest // _DAY - DAYS_KEPT, newest // _HOUR - HOURS_KEPT)
    for traits in (fragment.traits, fragment.personal, fragment.computed):
        _cut_names(traits)


def _sort_series(series: Series) -> None:
    series.days, series.hours = _sorted(series.days), _sorted(series.hours)
    series.money = _sorted_amounts(series.money)


def _sorted_amounts(amounts: dict[str, Amount]) -> dict[str, Amount]:
    for amount in amounts.values():
        amount.days = _sorted(amount.days)
    return _sorted(amounts)


def _sorted(values: dict[K, V]) -> dict[K, V]:
    """The same in the order of the keys, for msgspec sorts only dicts with string keys."""
    return dict(sorted(values.items()))


def _cut_channel(channel: Channel, day: int, hour: int) -> None:
    if len(channel.events) > MAX_NAMES:
        _fold_other(channel)
    for series in channel.events.values():
        _cut_series(series, day, hour)
    if channel.other is not None:
        _cut_series(channel.other, day, hour)
    _cut_before(channel.sessions, day)
    for amount in channel.revenue.values():
        _cut_amount(amount, day)


def _fold_other(channel: Channel) -> None:
    channel.other = channel.other or Series()
    for name in sorted(channel.events)[MAX_NAMES:]:
        add_series(channel.other, channel.events.pop(name))


def _cut_series(series: Series, day: int, hour: int) -> None:
    _cut_before(series.hours, hour)
    _cut_before(series.days, day)
    for amount in series.money.values():
        _cut_amount(amount, day)


def _cut_amount(amount: Amount, day: int) -> None:
    amount.minor = _int64(amount.minor)
    _cut_before(amount.days, day)
    for key, minor in amount.days.items():
        amount.days[key] = _int64(minor)


def _cut_before(buckets: dict[int, int] | dict[int, list[int]], limit: int) -> None:
    if buckets and min(buckets) <= limit:
        for key in [key for key in buckets if key <= limit]:
            del buckets[key]


def _cut_names(traits: dict[str, Trait]) -> None:
    if len(traits) > MAX_NAMES:
        for name in sorted(traits)[MAX_NAMES:]:
            del traits[name]


def _int64(minor: int) -> int:
    """Wraps like a 64-bit register, which sums do not feel; absurd amounts must not stop the projection."""
    return minor if -(1 << 63) <= minor < 1 << 63 else (minor + (1 << 63)) % (1 << 64) - (1 << 63)
