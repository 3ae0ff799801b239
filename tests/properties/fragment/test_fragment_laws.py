"""Fragments are a commutative monoid, and what they say is what a slow walk over all events says."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from libs.common.fragment import canonical, count_sessions, decode, empty, encode, merge, of, set_computed
from tests.properties.fragment.oracle import DAY, HOUR, Happened, fold, histories, last_written, revenue, sessions


@given(histories(), st.randoms(use_true_random=False))
def test_events_folded_in_any_order_give_the_same_fragment(events: list[Happened], random: Random) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)
    assert canonical(fold(shuffled)) == canonical(fold(events))


@given(histories(), st.lists(st.integers(0, 25), max_size=4))
def test_events_split_into_any_batches_and_encoded_between_give_the_same_fragment(
    events: list[Happened], cuts: list[int]
) -> None:
    total = empty()
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(events)], strict=True):
        keep = encode if start % 2 else canonical  # one keeps what is small as it is, the other always cuts
        total = decode(keep(merge(total, fold(events[start:end]))))
    assert canonical(total) == canonical(fold(events))


@given(histories(), histories(), histories())
def test_merge_is_associative_and_commutative_with_empty_as_identity(
    one: list[Happened], two: list[Happened], three: list[Happened]
) -> None:
    a, b, c = fold(one), fold(_elsewhere(two, 100)), fold(_elsewhere(three, 200))
    assert canonical(merge(merge(a, b), c)) == canonical(merge(a, merge(b, c))) == canonical(merge(c, a, b))
    assert canonical(merge(a, b)) == canonical(merge(b, a))
    assert canonical(merge(a, empty())) == canonical(a) == canonical(merge(empty(), a))


@given(histories(), histories())
def test_the_sum_of_the_cut_parts_is_the_cut_sum(one: list[Happened], two: list[Happened]) -> None:
    a, b = fold(one), fold(_elsewhere(two, 100))
    whole = canonical(merge(a, b))
    assert canonical(merge(decode(canonical(a)), decode(canonical(b)))) == whole
    assert canonical(merge(decode(encode(a)), decode(canonical(b)))) == whole


@given(histories())
def test_adding_an_event_is_merging_the_fragment_of_that_event(events: list[Happened]) -> None:
    assert canonical(merge(*(of(*event) for event in events))) == canonical(fold(events))


@given(histories())
def test_merge_changes_no_argument_and_shares_nothing_with_it(events: list[Happened]) -> None:
    a = fold(events)
    before = canonical(a)
    total = merge(a)
    total.traits.clear()
    for channel in total.channels.values():
        channel.sessions.clear()
        for series in channel.events.values():
            series.days.clear()
            series.hours.clear()
            for amount in series.money.values():
                amount.days.clear()
            series.money.clear()
        channel.events.clear()
    assert canonical(a) == before


@given(histories())
def test_totals_money_and_buckets_are_those_of_a_count_over_all_events(events: list[Happened]) -> None:
    fragment = decode(canonical(fold(events)))
    names = Counter((e.body.channel, e.body.event or e.body.type) for e in events)
    assert {(c, n): s.count for c, ch in fragment.channels.items() for n, s in ch.events.items()} == names
    money = Counter[tuple[str, str]]()
    for e in events:
        if e.body.money:
            money[e.body.channel, e.body.money.currency] += e.body.money.minor
    found = Counter[tuple[str, str]]()
    for c, ch in fragment.channels.items():
        for series in ch.events.values():
            for currency, amount in series.money.items():
                found[c, currency] += amount.minor
    assert {k: v for k, v in found.items() if v} == {k: v for k, v in money.items() if v}
    newest = max((e.at for e in events), default=0)
    for unit, keep, field in ((DAY, 400, "days"), (HOUR, 192, "hours")):
        expected = Counter(e.at // unit for e in events if e.at // unit > newest // unit - keep)
        buckets = Counter[int]()
        for ch in fragment.channels.values():
            for series in ch.events.values():
                buckets.update(getattr(series, field))
        assert buckets == expected


@given(histories())
def test_revenue_is_orders_less_refunds_by_channel_and_currency(events: list[Happened]) -> None:
    total = merge(*(decode(encode(fold(events[i::2]))) for i in range(2)))
    found = {(c, k): (a.count, a.minor) for c, ch in total.channels.items() for k, a in ch.revenue.items()}
    assert found == revenue(events)


@given(histories())
def test_the_last_write_by_time_and_then_place_wins_and_null_deletes(events: list[Happened]) -> None:
    fragment = fold(events)
    assert {k: t.value for k, t in fragment.traits.items()} == last_written(events, "traits")
    assert {k: t.value for k, t in fragment.personal.items()} == last_written(events, "personal")


@given(histories())
def test_sessions_are_those_of_a_walk_over_all_moments_even_across_midnight_and_parts(events: list[Happened]) -> None:
    parts = [decode(canonical(fold(events[i::3]))) for i in range(3)]
    fragment = decode(canonical(merge(*parts)))
    assert count_sessions(ch.sessions for ch in fragment.channels.values()) == sessions(events)


@given(histories())
def test_first_and_last_touch_are_the_extremes_of_events_with_a_medium_or_campaign(events: list[Happened]) -> None:
    fragment = merge(*(fold(events[i::2]) for i in range(2)))
    for name, channel in fragment.channels.items():
        seen = [e for e in events if e.body.channel == name]
        touches = sorted((e.at, e.position, e.idx) for e in seen if e.body.medium or e.body.campaign)
        assert (channel.first_seen, channel.last_seen) == (min(e.at for e in seen), max(e.at for e in seen))
        found = [(t.at, t.position, t.index) for t in (channel.first_touch, channel.last_touch) if t]
        assert found == ([touches[0], touches[-1]] if touches else [])


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9)), unique_by=lambda w: w[1]))
def test_computed_traits_follow_the_same_law_as_written_ones(writes: list[tuple[str, int]]) -> None:
    one, other = empty(), empty()
    for into, (name, at) in zip([one, other] * len(writes), writes, strict=False):
        set_computed(into, {name: at}, at, 1, 0)
    expected: dict[str, int] = {}
    for name, at in sorted(writes, key=lambda w: w[1]):
        expected[name] = at
    assert {k: t.value for k, t in merge(one, other).computed.items()} == expected


def _elsewhere(events: list[Happened], shift: int) -> list[Happened]:
    return [event._replace(position=event.position + shift) for event in events]
