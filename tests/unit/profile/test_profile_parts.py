"""The pure parts of profile, by example."""

import pytest

from libs.common.contracts.body import EventBody
from libs.common.contracts.events import EVENTS, Batch, Binding, Event, Pseudonym
from libs.common.contracts.stitched import FRESH, Facts, Linked, Merged, Moved, Origin, Refused, Stitched, Tick
from libs.common.errors import BadRequest
from libs.common.fragment import MAX_NAMES, add_event, decode, empty, encode
from services.profile import answers
from services.profile.asking import parse_moment
from services.profile.gathering import aliases, gather
from services.profile.store import pack, unpack
from services.profile.timeline import Cursor, parse_cursor
from services.profile.waiting import parse_at_least

A, B, C, D = (bytes([n]) * 16 for n in range(4))
ORIGIN = Origin("log", 5, 5)


def entry(facts: Facts, events: int = 0) -> Stitched:
    binding = Binding(A, [Pseudonym("user_id", B), Pseudonym("device_id", C)])
    made = [Event(bytes([n]) * 16, 0, 0, 10 + n, 12, b"sealed") for n in range(events)]
    batch = Batch("default", 1, "intl-v1", ["web"], [binding], made, [], [])
    return Stitched(ORIGIN, 99, [EVENTS.encode(batch)], [facts])


def test_an_event_stands_at_its_place_in_events_whatever_entry_of_stitched_it_came_in() -> None:
    change = gather([(70, entry(Facts(bytes([FRESH] * 4)), events=4))])
    assert [(each.at, each.position, each.idx) for each in change.events[A]] == [
        (10, 5, 0),
        (11, 5, 1),
        (12, 5, 2),
        (12, 5, 3),  # dated after its receipt
    ]
    assert (change.position, change.clock) == (5, 99)


def test_a_tick_moves_the_clock_and_nothing_else() -> None:
    change = gather([(1, Tick(Origin("log", 1, 0), 7))])
    assert (change.position, change.clock, change.events, change.joined) == (0, 7, {}, {})


def test_a_binding_joins_with_its_own_identifiers_and_the_customer_it_ends_in() -> None:
    held = Refused(A, "user_id limit 1", [Pseudonym("device_id", C)], [])
    change = gather([(1, entry(Facts(linked=[Linked(A, B)], moved=[Moved(A, B, D)], refused=[held])))])
    assert change.joined[A].customer == D
    assert change.joined[A].pseudonyms == [Pseudonym("user_id", B)]
    assert change.moved == {}


def test_each_ended_customer_leads_to_the_last_of_a_chain_of_merges() -> None:
    assert aliases([Merged(B, A, b""), Merged(C, B, b""), Merged(D, C, b"")]) == {A: D, B: D, C: D}
    assert aliases([Merged(B, A, b""), Merged(C, D, b"")]) == {A: B, D: C}


def test_a_merge_takes_what_was_the_losers_until_then_and_not_what_it_is_given_later() -> None:
    joined = entry(Facts(linked=[Linked(A, B)]))
    merged, revived = entry(Facts(merged=[Merged(C, B, b"")])), entry(Facts(moved=[Moved(A, C, B)]))
    assert gather([(1, joined), (2, merged)]).joined[A].customer == C
    assert gather([(1, joined), (2, merged), (3, revived)]).joined[A].customer == B
    assert gather([(2, merged), (3, revived)]).moved == {A: B}


def test_moves_that_a_merge_brings_about_are_not_written_twice() -> None:
    assert gather([(1, entry(Facts(merged=[Merged(C, B, b"")], moved=[Moved(A, B, C)])))]).moved == {}
    assert gather([(1, entry(Facts(merged=[Merged(C, B, b"")], moved=[Moved(A, B, D)])))]).moved == {A: D}


def test_packed_pseudonyms_are_the_same_for_every_order() -> None:
    carried = [Pseudonym("user_id", B), Pseudonym("device_id", C), Pseudonym("device_id", A)]
    assert pack(carried) == pack(carried[::-1])
    assert sorted(unpack(pack(carried)), key=lambda each: each.id) == sorted(carried, key=lambda each: each.id)


def test_a_cursor_reads_back_what_it_wrote() -> None:
    assert parse_cursor(str(Cursor(-5, 7, 9))) == Cursor(-5, 7, 9)
    for wrong in ("", "1.2", "1.2.x", f"{1 << 63}.1.1", f"1.1.{1 << 31}"):
        with pytest.raises(BadRequest):
            parse_cursor(wrong)


def test_at_least_is_a_partition_and_a_position() -> None:
    assert parse_at_least("0:12") == (0, 12)
    for wrong in ("12", "0:", ":1", "a:1", "0:-1", "0:1:2", "0:１"):
        with pytest.raises(BadRequest):
            parse_at_least(wrong)


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("1970-01-01T00:00:01Z", 1),
        ("1970-01-01T08:00:01+08:00", 1),
        ("1970-01-01T08:00:01 08:00", 1),  # a `+` that a client did not escape
    ],
)
def test_a_moment_is_read_in_its_zone(given: str, seconds: int) -> None:
    assert parse_moment(given) == seconds * 1_000_000


def test_a_day_is_meant_to_its_end() -> None:
    assert parse_moment("1970-01-01") == 86_400_000_000 - 1


def test_events_beyond_the_names_kept_are_counted_as_other() -> None:
    fragment = empty()
    for n in range(MAX_NAMES + 5):
        add_event(fragment, EventBody("track", f"e{n:04}", "web"), n, 1, n)
    counts = answers.event_counts(decode(encode(fragment)))
    assert counts[answers.OTHER] == 5
    assert answers.metrics(decode(encode(fragment))).events == MAX_NAMES + 5


def test_a_profile_without_events_has_no_first_day() -> None:
    nothing = answers.metrics(empty())
    assert (nothing.events, nothing.first_seen, nothing.last_seen) == (0, None, None)
