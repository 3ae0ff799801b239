"""An event counts once in seven days of the partition's clock."""

import pytest

from libs.common.clock import DAY, SECOND
from libs.common.contracts.stitched import DUPLICATE, FRESH, Facts
from services.identity.deduplication import PRUNE_STEP, WINDOW, horizon, is_recent, prune_is_due
from services.identity.partition_clock import advance
from tests.unit.identity.people import START, Partition


def keep_time(people: Partition, until: int) -> None:
    """Lets days pass, an entry a day, as the clock takes no longer steps."""
    while people.state.clock < until:
        people.send("a0", at=min(people.state.clock + DAY, until))


def test_an_event_that_was_counted_is_a_duplicate() -> None:
    people = Partition()
    people.send("u1", ids=["e"])
    assert people.send("u1", ids=["e"]).outcomes == bytes([DUPLICATE])


def test_an_event_twice_in_one_entry_counts_once() -> None:
    people = Partition()
    assert people.send("u1", "u1", "u1", ids=["e", "f", "e"]).outcomes == bytes([FRESH, FRESH, DUPLICATE])


@pytest.mark.parametrize(("later", "outcome"), [(WINDOW, DUPLICATE), (WINDOW + 1, FRESH)])
def test_an_event_counts_again_when_the_window_is_over(later: int, outcome: int) -> None:
    people = Partition()
    people.send("u1", ids=["e"], at=START)
    keep_time(people, START + later - DAY)
    assert people.send("u1", ids=["e"], at=START + later).outcomes == bytes([outcome])


def test_a_repetition_does_not_prolong_the_window() -> None:
    people = Partition()
    people.send("u1", ids=["e"], at=START)
    keep_time(people, START + WINDOW)
    people.send("u1", ids=["e"], at=START + WINDOW)
    assert people.send("u1", ids=["e"], at=START + WINDOW + 1).outcomes == bytes([FRESH])


def test_an_event_that_counted_again_starts_a_new_window() -> None:
    people = Partition()
    people.send("u1", ids=["e"], at=START)
    keep_time(people, START + WINDOW + 1)
    people.send("u1", ids=["e"], at=START + WINDOW + 1)
    assert people.send("u1", ids=["e"], at=START + WINDOW + 2).outcomes == bytes([DUPLICATE])


def test_a_duplicate_with_another_binding_links_nobody() -> None:
    people = Partition()
    people.send("a1", ids=["e"])
    assert people.send("u1 a1", ids=["e"]) == Facts(outcomes=bytes([DUPLICATE]))
    assert people.customer("u1") is None


def test_outcomes_are_booked_to_their_source() -> None:
    people = Partition()
    people.send("u1", "u1", "u1", ids=["e", "f", "e"], source="web")
    people.send("u1", ids=["f"], source="app")
    assert dict(people.state.booked) == {("w", "web"): {FRESH: 2, DUPLICATE: 1}, ("w", "app"): {DUPLICATE: 1}}


def test_what_the_horizon_forgets_is_out_of_the_window() -> None:
    for clock in (START, START + 1, START + PRUNE_STEP - 1, START + PRUNE_STEP):
        assert not is_recent(horizon(clock) - 1, clock)


def test_pruning_is_due_once_a_step_however_the_clock_gets_there() -> None:
    start = START - START % PRUNE_STEP
    assert not prune_is_due(start, start + PRUNE_STEP - 1)
    assert prune_is_due(start + PRUNE_STEP - 1, start + PRUNE_STEP)


def test_the_first_entry_sets_the_clock() -> None:
    assert advance(0, START) == START


def test_the_clock_never_goes_back() -> None:
    assert advance(START, START - SECOND) == START


def test_one_entry_from_the_future_moves_the_clock_by_a_day_at_most() -> None:
    assert advance(START, START + 400 * DAY) == START + DAY
