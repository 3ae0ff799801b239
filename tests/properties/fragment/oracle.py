"""What a profile is, said the slow way: from the list of all events, with nothing folded or merged."""

from typing import Any, NamedTuple

from hypothesis import strategies as st

from libs.common.contracts.body import EventBody, Money
from libs.common.fragment import Fragment, add_event, empty

HOUR, DAY = 3_600_000_000, 86_400_000_000
NOW = 1_700_000_000_000_000


class Happened(NamedTuple):
    """An event at its place in the log."""

    body: EventBody
    at: int
    position: int
    idx: int


_times = st.one_of(
    st.sampled_from([NOW, NOW - HOUR]),
    st.integers(NOW - 3 * HOUR, NOW),
    st.integers(NOW - 12 * DAY, NOW),
    st.integers(NOW - 3 * 400 * DAY, NOW),
    st.sampled_from([NOW - 192 * HOUR, NOW - 400 * DAY, NOW // DAY * DAY - 1, NOW // DAY * DAY, -1, 0]),
)
_values = st.one_of(st.none(), st.integers(-5, 5), st.text(max_size=3), st.lists(st.integers(-9, 9), max_size=2))
_traits = st.dictionaries(st.sampled_from("abc"), _values, max_size=2)
_bodies = st.builds(
    EventBody,
    type=st.sampled_from(["track", "identify", "group"]),
    event=st.sampled_from(["", "View", "Order Completed", "order_refunded"]),
    channel=st.sampled_from(["web", "app"]),
    medium=st.sampled_from(["", "cpc"]),
    campaign=st.one_of(st.just({}), st.fixed_dictionaries({"source": st.sampled_from(["wechat", "douyin"])})),
    traits=_traits,
    personal=_traits,
    money=st.one_of(
        st.none(),
        st.builds(Money, st.integers(-(1 << 40), 1 << 40), st.sampled_from(["CNY", "USD"])),
    ),
)


@st.composite
def histories(draw: st.DrawFn, max_size: int = 25) -> list[Happened]:
    """Events at distinct places of the log, in any order of time."""
    drawn = draw(st.lists(st.tuples(_bodies, _times), max_size=max_size))
    return [Happened(body, at, 1 + i // 3, i % 3) for i, (body, at) in enumerate(drawn)]


def fold(events: list[Happened]) -> Fragment:
    """Adds the events one by one, in the order given."""
    fragment = empty()
    for event in events:
        add_event(fragment, *event)
    return fragment


def revenue(events: list[Happened]) -> dict[tuple[str, str], tuple[int, int]]:
    """By channel and currency: (orders, minor units), over all events."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    for body in (e.body for e in events if e.body.money and e.body.event in ("Order Completed", "order_refunded")):
        assert body.money is not None
        refund = body.event == "order_refunded"
        orders, minor = found.get((body.channel, body.money.currency), (0, 0))
        amount = -abs(body.money.minor) if refund else body.money.minor
        found[body.channel, body.money.currency] = (orders + (not refund), minor + amount)
    return found


def last_written(events: list[Happened], field: str) -> dict[str, Any]:
    """Traits by a sort of all writes."""
    found: dict[str, Any] = {}
    for event in sorted(events, key=lambda e: (e.at, e.position, e.idx)):
        if event.body.type != "group":
            found.update(getattr(event.body, field))
    return found


def sessions(events: list[Happened]) -> int:
    """Sessions by a walk over all moments (whole seconds) that are within the days kept."""
    newest = max((e.at for e in events), default=0) // DAY
    moments = sorted(e.at // 1_000_000 for e in events if e.at // DAY > newest - 400)
    return sum(1 for i, m in enumerate(moments) if i == 0 or m - moments[i - 1] > 1800)
