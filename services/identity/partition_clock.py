"""The partition's clock: what time it is at a position, the same for everybody who folds the log.

It is the running maximum of the times that entries carry. A host whose clock runs days ahead must not be
able to end everybody's deduplication window, so one entry moves it by at most `MAX_STEP`.
"""

from libs.common.clock import DAY

MAX_STEP = DAY


def advance(clock: int, at: int) -> int:
    """The clock after an entry of time `at`, microseconds; never earlier than before. 0 = no entry yet."""
    if clock == 0:
        return at
    return max(clock, min(at, clock + MAX_STEP))
