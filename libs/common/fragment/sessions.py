"""Session interval sets: the hulls of events that follow each other within a gap.

Stored per UTC day, so that old days can be cut without touching newer ones; a session over midnight is
stored as two intervals and counted as one. Exact: the hulls of a union are the joined hulls of its parts,
because within a hull every moment is less than a gap from an event.
"""

from collections.abc import Iterable, Mapping

from libs.common.fragment.model import SESSION_GAP

DAY_SECONDS = 86_400


def add_moment(intervals: list[int], moment: int) -> None:
    """Adds one event at `moment` to flat, sorted intervals; the last interval is the fast path."""
    if not intervals:
        intervals += (moment, moment)
    elif moment >= intervals[-2]:
        if moment > intervals[-1] + SESSION_GAP:
            intervals += (moment, moment)
        elif moment > intervals[-1]:
            intervals[-1] = moment
    else:
        intervals[:] = union(intervals, [moment, moment])


def union(one: list[int], other: list[int]) -> list[int]:
    """The union of two flat, sorted interval sets; intervals at most SESSION_GAP apart become one."""
    pairs = sorted([*zip(one[::2], one[1::2], strict=True), *zip(other[::2], other[1::2], strict=True)])
    joined: list[int] = []
    for start, end in pairs:
        if joined and start <= joined[-1] + SESSION_GAP:
            joined[-1] = max(joined[-1], end)
        else:
            joined += (start, end)
    return joined


def count_sessions(sets: Iterable[Mapping[int, list[int]]]) -> int:
    """How many sessions the sets have together: those that touch, over midnight too, count once."""
    pairs = sorted(
        (day * DAY_SECONDS + flat[i], day * DAY_SECONDS + flat[i + 1])
        for days in sets
        for day, flat in days.items()
        for i in range(0, len(flat), 2)
    )
    count, reach = 0, 0
    for start, end in pairs:
        if not count or start > reach + SESSION_GAP:
            count, reach = count + 1, end
        else:
            reach = max(reach, end)
    return count
