"""The algebra of profiles: what one binding contributes, and how contributions add up.

A *profile fragment* is a commutative monoid under `merge` with identity `empty()`. Every part of it is a
function of the *set of events* alone, so order, batching and merges of customers cannot change it:

| part | what it is | why it adds up |
|---|---|---|
| counts and money by channel and event name; revenue by channel | integers, money in minor units by currency | sums |
| their buckets | UTC days over DAYS_KEPT, UTC hours over HOURS_KEPT before the newest event | sums, cut at a maximum |
| first and last seen, first and last touch | by (time, position, index) | minimum, maximum |
| session intervals | hulls of events less than SESSION_GAP apart, per channel and day | union of intervals |
| traits, personal attributes, computed traits | last writer by (time, position, index); null deletes | maximum |

*Size.* A fragment is rewritten whole whenever its binding is active, so it must stay small however long the
person stays: hours would grow with every active hour, so they are kept for 8 days and days for 400, and
totals for ever. Names are cut to the MAX_NAMES smallest; the rest of the events is summed as `other`.
Cutting keeps the laws: what a part drops (older than its newest minus the window; beyond its smallest k
names) the whole drops too. Distinct sets are left out until something asks for them.

*Time* is the event's time, never after its receipt, so that a clock set to 2099 cannot own a trait for ever.
"""

from libs.common.fragment.codec import VERSION, UnknownFragment, canonical, decode, encode
from libs.common.fragment.fold import add_event, effective_time, merge, of, set_computed
from libs.common.fragment.model import (
    DAYS_KEPT,
    HOURS_KEPT,
    MAX_NAMES,
    SESSION_GAP,
    Amount,
    Channel,
    Fragment,
    Series,
    Touch,
    Trait,
    empty,
)
from libs.common.fragment.revenue import sign as revenue_sign
from libs.common.fragment.sessions import count_sessions

__all__ = [
    "DAYS_KEPT",
    "HOURS_KEPT",
    "MAX_NAMES",
    "SESSION_GAP",
    "VERSION",
    "Amount",
    "Channel",
    "Fragment",
    "Series",
    "Touch",
    "Trait",
    "UnknownFragment",
    "add_event",
    "canonical",
    "count_sessions",
    "decode",
    "effective_time",
    "empty",
    "encode",
    "merge",
    "of",
    "revenue_sign",
    "set_computed",
]
