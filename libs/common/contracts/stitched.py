"""Entries of STITCHED_<p>: each EVENTS entry verbatim, with what identity decided about it, and ticks.

The only input of profile, segments and insights. A reader learns every customer from these facts alone:
`linked` and `moved` map a binding to its customer, `merged` names customers that ended, `erased` what must
be forgotten. Facts of one entry apply in the order of the fields of `Facts`.
"""

from collections.abc import Iterator

import msgspec

from libs.common.contracts.events import EVENTS, EventsEntry, Pseudonym
from libs.common.contracts.registry import Registry

STITCHED = Registry()

FRESH, DUPLICATE, SUPPRESSED = 0, 1, 2
"""Outcome of one event: fold it; seen before, ignore; its binding is erased, ignore and count."""

MAX_MOVED = 10_000


class Origin(msgspec.Struct, array_like=True, frozen=True):
    """The EVENTS positions that this entry covers, both inclusive; a tick covers none (last = first - 1)."""

    log_id: str
    first: int
    last: int


class Linked(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A binding seen for the first time belongs to this customer."""

    binding: bytes
    customer: bytes


class Merged(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """`loser` ended; `binding` is the evidence that joined it with `winner` (the older customer)."""

    winner: bytes
    loser: bytes
    binding: bytes


class Moved(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A known binding changed its customer.

    Of a merge these are a convenience: an entry whose merges move more than MAX_MOVED bindings has none of them, or
    whoever sends events could make an entry that no broker takes. `Merged` alone says that all that was the
    loser's is the winner's.
    """

    binding: bytes
    origin: bytes
    customer: bytes


class Refused(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """`binding` would have joined `customers` against `rule` (such as `user_id limit 1`); `held` was left out."""

    binding: bytes
    rule: str
    held: list[Pseudonym]
    customers: list[bytes]


class Erased(msgspec.Struct, array_like=True, frozen=True):
    """The closure of an erasure: what is forgotten, decided once, at this position."""

    request: str
    at: int
    customers: list[bytes]
    bindings: list[bytes]
    pseudonyms: list[bytes]


class Facts(msgspec.Struct, array_like=True, frozen=True):
    """What identity decided about one EVENTS entry; `outcomes` has one byte per event of a batch."""

    outcomes: bytes = b""
    linked: list[Linked] = []
    merged: list[Merged] = []
    moved: list[Moved] = []
    refused: list[Refused] = []
    erased: list[Erased] = []


class Stitched(msgspec.Struct, array_like=True, frozen=True):
    """EVENTS entries `origin.first .. origin.last`, verbatim, each with its facts. `clock` is after the last."""

    origin: Origin
    clock: int
    entries: list[bytes]
    facts: list[Facts]


class Tick(msgspec.Struct, array_like=True, frozen=True):
    """Time passed: the partition's clock, microseconds since the Unix epoch."""

    origin: Origin
    clock: int


STITCHED.register("stitched", 1, Stitched)
STITCHED.register("tick", 1, Tick)

StitchedEntry = Stitched | Tick


def origins(output: Stitched) -> Iterator[tuple[int, EventsEntry, Facts]]:
    """Each EVENTS entry inside, with its position in EVENTS and its facts."""
    for offset, (data, facts) in enumerate(zip(output.entries, output.facts, strict=True)):
        yield output.origin.first + offset, EVENTS.decode(data), facts
