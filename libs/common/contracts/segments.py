"""Entries of SEGMENTS_<p>: who entered and who left which segment, and why.

One entry covers a range of STITCHED positions and has facts for each. It does not hold what it covers: whoever
folds it reads those positions again.
"""

import msgspec

from libs.common.contracts.registry import Registry
from libs.common.contracts.stitched import Origin

SEGMENTS = Registry()


class Crossed(msgspec.Struct, array_like=True, frozen=True):
    """These customers entered or left `segment`, all for one `reason`, at one clock.

    To enter: `event`, `time` (it passed), `consent`, `restriction` (was lifted), `merged`, `defined`. To leave, also
    `no_consent`, `consent_withdrawn`, `restricted`, `erased`; `merged` also says that the customer ended in another.
    """

    segment: str
    reason: str
    customers: list[bytes]


class Cleared(msgspec.Struct, array_like=True, frozen=True):
    """Everybody left `segment` at once; `reason` is `deleted` or `purpose_changed`."""

    segment: str
    reason: str


class SegmentFacts(msgspec.Struct, array_like=True, frozen=True):
    """What one STITCHED entry changed, at the partition's clock `at`. Applies in the order of the fields."""

    at: int
    cleared: list[Cleared] = []
    exited: list[Crossed] = []
    entered: list[Crossed] = []


class Segmented(msgspec.Struct, array_like=True, frozen=True):
    """STITCHED entries `origin.first .. origin.last`, each with its facts. `clock` is after the last."""

    origin: Origin
    clock: int
    facts: list[SegmentFacts]


SEGMENTS.register("segmented", 1, Segmented)
