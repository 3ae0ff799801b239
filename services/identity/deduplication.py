"""Deduplication: an event id counts once within `WINDOW` of the partition's clock.

The window starts when the id is first counted and is not prolonged by repetitions. What is remembered
beyond it is dropped in steps of `PRUNE_STEP`, at positions that depend on the clock alone, so that every
fold of the same log keeps the same rows.
"""

from libs.common.clock import DAY, SECOND

WINDOW = 7 * DAY
PRUNE_STEP = 60 * SECOND


def is_recent(counted_at: int | None, clock: int) -> bool:
    """Whether an id that was counted at `counted_at` (None = never) makes the same id at `clock` a duplicate."""
    return counted_at is not None and clock - counted_at <= WINDOW


def horizon(clock: int) -> int:
    """Ids counted before this time are forgotten once the clock has reached `clock`; all are out of the window."""
    return clock - clock % PRUNE_STEP - WINDOW


def prune_is_due(before: int, after: int) -> bool:
    """Whether the horizon moved while the clock went from `before` to `after`."""
    return horizon(before) != horizon(after)
