"""What catching up waits for: every consumer of EVENTS at the tail, every consumer of STITCHED at what covers it."""

from libs.devstack.catchup import is_covered, targets
from libs.devstack.observe import ConsumerReport


def consumers(identity: tuple[int, int], profile: int, ingest: int) -> dict[str, ConsumerReport]:
    return {
        "identity:0": ConsumerReport("EVENTS_0", identity[0], 0, identity[1]),
        "ingest:0": ConsumerReport("EVENTS_0", ingest, 0),
        "profile:0": ConsumerReport("STITCHED_0", profile, 0),
    }


def covered(tail: int, identity: tuple[int, int], profile: int, ingest: int) -> bool:
    found = consumers(identity, profile, ingest)
    return is_covered(found, targets({"EVENTS_0": tail}, found))


def test_while_identity_is_behind_the_profile_s_target_is_unknown_and_nothing_is_covered() -> None:
    assert not covered(10, identity=(9, 50), profile=1000, ingest=10)


def test_the_profile_must_reach_what_identity_had_written_when_it_covered_the_tail() -> None:
    assert not covered(10, identity=(10, 50), profile=49, ingest=10)
    assert covered(10, identity=(10, 50), profile=50, ingest=10)


def test_every_reader_of_events_must_reach_the_tail() -> None:
    assert not covered(10, identity=(10, 50), profile=50, ingest=9)


def test_entries_that_came_later_are_not_waited_for() -> None:
    assert covered(10, identity=(12, 60), profile=60, ingest=11)


def test_an_empty_log_is_covered_before_identity_ever_wrote() -> None:
    assert covered(0, identity=(0, 0), profile=0, ingest=0)


def test_partitions_do_not_cover_each_other() -> None:
    found = {
        "identity:0": ConsumerReport("EVENTS_0", 5, 0, 7),
        "identity:1": ConsumerReport("EVENTS_1", 2, 0, 3),
        "profile:0": ConsumerReport("STITCHED_0", 7, 0),
        "profile:1": ConsumerReport("STITCHED_1", 3, 0),
    }
    assert not is_covered(found, targets({"EVENTS_0": 5, "EVENTS_1": 9}, found))
    assert is_covered(found, targets({"EVENTS_0": 5, "EVENTS_1": 2}, found))
