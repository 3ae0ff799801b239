"""Profile fragments by example: what the laws of tests/properties/fragment do not make plain."""

from pathlib import Path
from typing import Any

import pytest

from libs.common.contracts.body import EventBody, Money
from libs.common.fragment import (
    MAX_NAMES,
    VERSION,
    Fragment,
    UnknownFragment,
    add_event,
    canonical,
    count_sessions,
    decode,
    effective_time,
    empty,
    encode,
    merge,
    of,
    set_computed,
)

GOLDEN = Path(__file__).parents[2] / "contracts" / "golden" / f"fragment.{VERSION}.hex"
HOUR, DAY = 3_600_000_000, 86_400_000_000
NOON = 1_700_000_000_000_000 // DAY * DAY + 12 * HOUR


def track(event: str = "View", channel: str = "web", **fields: Any) -> EventBody:
    return EventBody("track", event, channel, **fields)


def golden_fragment() -> Fragment:
    fragment = empty()
    order = track("Order Completed", "store", money=Money(12345, "CNY"))
    touched = track(medium="cpc", campaign={"source": "douyin", "name": "double eleven"})
    person = EventBody("identify", "", "app", traits={"level": "gold", "gone": None}, personal={"name": "王小明"})
    for index, body in enumerate([touched, track(), order, person, track("Order Refunded", money=Money(45, "USD"))]):
        add_event(fragment, body, NOON + index * HOUR, 7, index)
    set_computed(fragment, {"rfm": [5, 4, 3], "churn": 0.25}, NOON, 8, 0)
    return fragment


def test_bytes_written_by_an_earlier_build_are_still_read_and_written_the_same() -> None:
    golden = bytes.fromhex(GOLDEN.read_text())
    assert canonical(golden_fragment()) == golden
    assert canonical(decode(golden)) == golden


def test_a_fragment_of_another_version_asks_for_a_replay() -> None:
    with pytest.raises(UnknownFragment, match="wanliu replay profile"):
        decode(bytes((2,)) + encode(empty())[1:])


def test_an_event_counts_as_happening_no_later_than_it_was_received() -> None:
    assert effective_time(NOON + DAY, NOON) == NOON
    assert effective_time(NOON - DAY, NOON) == NOON - DAY


def test_a_deleted_trait_does_not_come_back_with_an_older_value_that_arrives_late() -> None:
    fragment = of(EventBody("identify", "", "web", traits={"city": None}), NOON, 2, 0)
    add_event(fragment, EventBody("identify", "", "web", traits={"city": "成都"}), NOON - HOUR, 3, 0)
    assert fragment.traits["city"].value is None


def test_a_groups_traits_are_not_the_persons() -> None:
    fragment = of(EventBody("group", "", "web", traits={"employees": 5}, personal={"name": "Acme"}), NOON, 1, 0)
    assert fragment.traits == fragment.personal == {}


def test_a_value_too_long_for_a_fragment_does_not_leave_an_older_one_standing() -> None:
    fragment = of(EventBody("identify", "", "web", traits={"notes": "short"}), NOON, 1, 0)
    add_event(fragment, EventBody("identify", "", "web", traits={"notes": "长" * 4096}), NOON + 1, 2, 0)
    assert fragment.traits["notes"].value is None


def test_sessions_of_two_channels_that_overlap_are_one_visit() -> None:
    fragment = merge(of(track(), NOON, 1, 0), of(track(channel="app"), NOON + 10 * 60_000_000, 1, 1))
    assert count_sessions(channel.sessions for channel in fragment.channels.values()) == 1
    assert [count_sessions([channel.sessions]) for channel in fragment.channels.values()] == [1, 1]


def test_a_late_event_between_two_sessions_joins_them() -> None:
    fragment = merge(of(track(), NOON, 1, 0), of(track(), NOON + HOUR - 1, 1, 1))
    assert count_sessions([fragment.channels["web"].sessions]) == 2
    add_event(fragment, track(), NOON + HOUR // 2, 2, 0)
    (intervals,) = fragment.channels["web"].sessions.values()
    assert intervals == [12 * 3600, 13 * 3600 - 1]


def test_a_session_over_midnight_counts_once() -> None:
    fragment = merge(of(track(), NOON + 12 * HOUR - 1, 1, 0), of(track(), NOON + 12 * HOUR, 1, 1))
    assert len(fragment.channels["web"].sessions) == 2
    assert count_sessions([fragment.channels["web"].sessions]) == 1


def test_names_beyond_the_limit_are_summed_so_that_no_client_can_grow_a_fragment_without_end() -> None:
    names = [f"event {n:04}" for n in range(3 * MAX_NAMES)]
    parts = [empty(), empty()]
    for n, name in enumerate(names):
        add_event(parts[n % 2], track(name, traits={name: n}), NOON, 1, n)
    total = decode(canonical(merge(*(decode(encode(part)) for part in parts))))
    assert list(total.channels["web"].events) == names[:MAX_NAMES]
    assert total.channels["web"].other is not None
    assert total.channels["web"].other.count == 2 * MAX_NAMES
    assert sorted(total.traits) == names[:MAX_NAMES]


def test_a_fragment_of_ten_thousand_events_over_ten_years_stays_small() -> None:
    fragment = empty()
    for n in range(10_000):
        add_event(fragment, track(money=Money(n, "CNY")), NOON + n * 9 * HOUR, n, 0)
    assert len(encode(fragment)) < 32 * 1024
    assert fragment.channels["web"].events["View"].count == 10_000


def test_an_absurd_amount_does_not_stop_the_projection() -> None:
    fragment = empty()
    for n in range(3):
        add_event(fragment, track("purchase", money=Money(2**62, "CNY")), NOON, n, 0)
    assert decode(encode(fragment)).channels["web"].revenue["CNY"].count == 3


def test_only_orders_are_revenue_and_refunds_subtract_whatever_their_sign() -> None:
    fragment = empty()
    for index, (event, minor) in enumerate(
        [("Order Completed", 1000), ("Product Viewed", 500), ("Order Refunded", 300), ("order_refunded", -100)]
    ):
        add_event(fragment, track(event, money=Money(minor, "CNY")), NOON, 1, index)
    revenue = fragment.channels["web"].revenue["CNY"]
    assert (revenue.count, revenue.minor) == (1, 600)
