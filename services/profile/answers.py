"""From a fragment to what the API says. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from libs.common.clock import iso
from libs.common.contracts.events import Pseudonym
from libs.common.fragment import Amount, Channel, Fragment, Series, Touch, Trait, count_sessions
from services.profile.schemas import ChannelAnswer, IdentifierKind, Metrics, MoneyAnswer, TimelineEvent, TouchAnswer
from services.profile.timeline import Line

OTHER = "(other)"
"""Events whose names are beyond those that a fragment keeps."""


def values(traits: Mapping[str, Trait]) -> dict[str, Any]:
    """What stands: the last value of each trait, without those deleted."""
    return {name: trait.value for name, trait in sorted(traits.items()) if trait.value is not None}


def metrics(fragment: Fragment) -> Metrics:
    """Sums over all channels."""
    channels = fragment.channels.values()
    amounts = [channel.revenue for channel in channels]
    series = [each for channel in channels for each in _series(channel)]
    return Metrics(
        events=sum(each.count for each in series),
        orders=_orders(amounts),
        revenue=_revenue(amounts),
        sessions=count_sessions(channel.sessions for channel in channels),
        active_days=len({day for each in series for day in each.days}),
        first_seen=_moment(min((channel.first_seen for channel in channels), default=None)),
        last_seen=_moment(max((channel.last_seen for channel in channels), default=None)),
    )


def channels(fragment: Fragment) -> list[ChannelAnswer]:
    """By name."""
    return [_channel(name, channel) for name, channel in sorted(fragment.channels.items())]


def _channel(name: str, channel: Channel) -> ChannelAnswer:
    return ChannelAnswer(
        channel=name,
        events=sum(each.count for each in _series(channel)),
        orders=_orders([channel.revenue]),
        revenue=_revenue([channel.revenue]),
        sessions=count_sessions([channel.sessions]),
        first_seen=iso(channel.first_seen),
        last_seen=iso(channel.last_seen),
        first_touch=_touch(channel.first_touch),
        last_touch=_touch(channel.last_touch),
    )


def event_counts(fragment: Fragment) -> dict[str, int]:
    """How often each event happened, over all channels."""
    counts = Counter[str]()
    for channel in fragment.channels.values():
        for name, series in channel.events.items():
            counts[name] += series.count
        if channel.other is not None:
            counts[OTHER] += channel.other.count
    return dict(sorted(counts.items()))


def identifier_kinds(
    pseudonyms: Iterable[Pseudonym], revealed: Mapping[bytes, str] | None = None
) -> list[IdentifierKind]:
    """Kinds and how many of each; with the values only where they are given."""
    by_kind: dict[str, set[bytes]] = {}
    for each in pseudonyms:
        by_kind.setdefault(each.kind, set()).add(each.id)
    return [
        IdentifierKind(kind=kind, count=len(found), values=_revealed(found, revealed))
        for kind, found in sorted(by_kind.items())
    ]


def _revealed(found: Iterable[bytes], revealed: Mapping[bytes, str] | None) -> list[str] | None:
    return None if revealed is None else sorted(revealed[each] for each in found if each in revealed)


def event(line: Line, partition: int) -> TimelineEvent:
    """One event of the timeline, without personal attributes and traits."""
    body = line.body
    return TimelineEvent(
        at=iso(line.at),
        position=f"{partition}:{line.position}",
        event_id=line.event_id.hex(),
        message_id=body.message_id,
        source=line.source,
        channel=body.channel,
        type=body.type,
        event=body.event,
        medium=body.medium,
        campaign=body.campaign,
        properties=body.properties,
        money=MoneyAnswer(minor=body.money.minor, currency=body.money.currency) if body.money else None,
    )


def _series(channel: Channel) -> Sequence[Series]:
    return [*channel.events.values(), *filter(None, [channel.other])]


def _orders(amounts: Iterable[Mapping[str, Amount]]) -> int:
    return sum(amount.count for each in amounts for amount in each.values())


def _revenue(amounts: Iterable[Mapping[str, Amount]]) -> dict[str, int]:
    sums = Counter[str]()
    for each in amounts:
        for currency, amount in each.items():
            sums[currency] += amount.minor
    return dict(sorted(sums.items()))


def _touch(touch: Touch | None) -> TouchAnswer | None:
    if touch is None:
        return None
    return TouchAnswer(at=iso(touch.at), medium=touch.medium, source=touch.source, campaign=touch.campaign)


def _moment(at: int | None) -> str | None:
    return None if at is None else iso(at)
