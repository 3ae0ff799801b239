"""The structs of a profile fragment. Mutable, because a batch of events is folded in place.

They hold no cycles, so the garbage collector need not track them (`gc=False`).
"""

from typing import Any

import msgspec

DAYS_KEPT = 400
"""Day buckets and sessions are kept for this many UTC days up to the newest event's."""
HOURS_KEPT = 192
"""Hour buckets are kept for this many UTC hours (8 days) up to the newest event's."""
SESSION_GAP = 30 * 60
"""Two events of a channel at most this many seconds apart are of one session."""
MAX_NAMES = 256
"""Event names per channel, and traits of each kind; the smallest names stay."""
MAX_NAME_LENGTH = 128
"""Characters; longer names of events and traits are cut."""
MAX_VALUE_BYTES = 4096
"""A trait whose encoded value is longer counts as deleted in the fragment; the timeline has it."""


class Amount(msgspec.Struct, array_like=True, gc=False):
    """Money of one currency in minor units: the sum, the sum by UTC day, and over how many events or orders."""

    count: int = 0
    minor: int = 0
    days: dict[int, int] = {}


class Series(msgspec.Struct, array_like=True, gc=False):
    """Events of one name on one channel: in total, by UTC day and by UTC hour since the epoch."""

    count: int = 0
    days: dict[int, int] = {}
    hours: dict[int, int] = {}
    money: dict[str, Amount] = {}


class Touch(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """An event that came with a medium or a campaign."""

    at: int
    position: int
    index: int
    medium: str
    source: str
    campaign: str


class Channel(msgspec.Struct, array_like=True, gc=False):
    """What one channel saw. `revenue` by currency: orders less refunds (see revenue.py); it counts orders.

    `sessions[day]` = flat [start, end, start, end, ...], seconds of that UTC day. `other` sums the events whose
    names are beyond the MAX_NAMES smallest.
    """

    first_seen: int
    last_seen: int
    events: dict[str, Series] = {}
    other: Series | None = None
    first_touch: Touch | None = None
    last_touch: Touch | None = None
    sessions: dict[int, list[int]] = {}
    revenue: dict[str, Amount] = {}


class Trait(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The last value written, and when; None deletes, and stays so that an older value cannot return."""

    at: int
    position: int
    index: int
    value: Any


class Fragment(msgspec.Struct, array_like=True, gc=False):
    """What one binding contributes to a customer's profile, or the sum of several."""

    channels: dict[str, Channel] = {}
    traits: dict[str, Trait] = {}
    personal: dict[str, Trait] = {}
    computed: dict[str, Trait] = {}


def empty() -> Fragment:
    """The identity of `merge`."""
    return Fragment()
