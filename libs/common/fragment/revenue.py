"""Which events are revenue: completed orders add, refunds subtract; everything else only carries a price.

Names are those of Segment's e-commerce specification and of GA4, compared without case, blanks and `_-.`.
A rule, not data: after a change of it the projections are replayed.
"""

import re
from functools import lru_cache

ORDERS = frozenset({"ordercompleted", "purchase"})
REFUNDS = frozenset({"orderrefunded", "refund"})
_SEPARATORS = re.compile(r"[\s_.\-]+")


@lru_cache(maxsize=4096)
def sign(event: str) -> int:
    """1 for an order, -1 for a refund, 0 for what is neither."""
    name = _SEPARATORS.sub("", event).casefold()
    if name in ORDERS:
        return 1
    return -1 if name in REFUNDS else 0
