"""However buckets were split: every point has one bucket, and only the points of a split bucket moved."""

from hypothesis import given
from hypothesis import strategies as st

from services.privacy.buckets import BINDINGS, POINTS, Bucket, Directory

POINT = st.integers(0, POINTS - 1)


def split(directory: Directory, point: int, epoch: int) -> Directory:
    parts = directory.parts(directory.covering(point).start)
    return directory.updated(Bucket(BINDINGS, start, slot, epoch) for slot, start in enumerate(parts))


def history(points: list[int]) -> list[Directory]:
    directories = [Directory.of([Bucket(BINDINGS, 0, 0, 0)])]
    for epoch, point in enumerate(points, 1):
        directories.append(split(directories[-1], point, epoch))
    return directories


@given(st.lists(POINT, max_size=30), st.lists(POINT, min_size=1))
def test_every_point_is_covered_by_exactly_one_bucket(splits: list[int], points: list[int]) -> None:
    directory = history(splits)[-1]
    assert directory.starts[0] == 0
    assert directory.starts == sorted(set(directory.starts))
    ends = [*directory.starts[1:], POINTS]
    for point in (0, POINTS - 1, *points):
        bucket = directory.covering(point)
        assert bucket.start <= point < ends[directory.starts.index(bucket.start)]
        assert directory.at(bucket.start) == bucket


@given(st.lists(POINT, min_size=1, max_size=15), POINT)
def test_a_split_moves_only_points_of_the_bucket_that_was_split(splits: list[int], point: int) -> None:
    *_, before, after = history(splits)
    was, now = before.covering(point), after.covering(point)
    assert (now == was) == (before.covering(splits[-1]) != was)
    assert now.start >= was.start


@given(st.lists(POINT, max_size=15))
def test_a_directory_grown_step_by_step_is_the_one_loaded_at_once(splits: list[int]) -> None:
    grown = history(splits)[-1]
    assert Directory.of(reversed(grown.buckets)) == grown
    assert grown.updated([]) == grown
    assert grown.updated(grown.buckets) == grown


@given(POINT)
def test_splitting_ends_when_a_bucket_is_one_point_wide(point: int) -> None:
    directory = history([point] * 12)[-1]
    start = directory.covering(point).start
    assert directory.parts(start) == [start]
