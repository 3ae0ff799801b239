"""The part of segments' tables that a batch of STITCHED entries can touch, in memory; see loading.py and store.py."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from libs.common.contracts.segments import Cleared
from libs.common.contracts.stitched import Merged
from libs.common.crypto import CannotOpen
from libs.common.fragment import MAX_NAMES, Fragment, empty, merge
from libs.common.fragment.codec import cut
from services.segments.evaluation import Rule
from services.segments.sealing import Sealed

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SegmentsFault(Exception):
    """The log and what we know do not fit together. The consumer stops: going on would make segments wrong."""


class Rows(dict[K, V], Generic[K, V]):
    """Rows of one table by key; only what was `put` or `drop`ped is written back."""

    def __init__(self, rows: Iterable[tuple[K, V]] = ()) -> None:
        super().__init__(rows)
        self._touched: set[K] = set()

    def put(self, key: K, value: V) -> None:
        """Inserts or replaces a row."""
        self[key] = value
        self._touched.add(key)

    def drop(self, key: K) -> None:
        """Deletes a row, loaded or not."""
        self.pop(key, None)
        self._touched.add(key)

    def changed(self) -> list[tuple[K, V]]:
        """Rows to write, by key."""
        return [(key, self[key]) for key in sorted(self._touched & self.keys())]  # type: ignore[type-var]

    def gone(self) -> list[K]:
        """Keys to delete, in order."""
        return sorted(self._touched - self.keys())  # type: ignore[type-var]


class Segment(NamedTuple):
    """A definition as it stands. `position` is that of the STITCHED entry which brought it."""

    workspace: str
    name: str
    purpose: str
    definition: bytes
    rule: Rule
    position: int
    at: int


class Decided(NamedTuple):
    """The latest decision of a pseudonym about a purpose."""

    granted: bool
    at: int


class Member(NamedTuple):
    """Since when (the partition's clock), by which STITCHED entry, and why."""

    since: int
    position: int
    reason: str


def _is_wide(part: Fragment) -> bool:
    widths = [len(part.traits), len(part.computed), *[len(channel.events) for channel in part.channels.values()]]
    return max(widths) > MAX_NAMES


@dataclass(slots=True)
class Known:
    """A binding. `key` is None when it is erased; `fragment` is opened when it is first needed."""

    workspace: str
    suite: str
    customer: bytes
    pseudonyms: tuple[bytes, ...]
    stored: bytes | None = None
    key: Sealed | None = None
    fragment: Fragment | None = None
    grown: bool = False

    def open(self) -> Fragment:
        """The fragment, empty before the first event. Raises SegmentsFault when it cannot be read."""
        if self.fragment is None:
            try:
                self.fragment = empty() if self.stored is None or self.key is None else self.key.fragment(self.stored)
            except (CannotOpen, ValueError) as error:
                raise SegmentsFault(f"a fragment cannot be read ({type(error).__name__}): it was damaged") from None
        return self.fragment

    def to_store(self) -> bytes | None:
        """The sealed fragment as it is to be stored."""
        if self.grown and self.key is not None:
            return self.key.seal_fragment(self.open())
        return self.stored


@dataclass(slots=True)
class Judgement:
    """In which segments a customer belongs, why not in the others where law forbids it, and when to look again."""

    belongs: frozenset[str]
    refused: Mapping[str, str]
    look_at: int | None


@dataclass(slots=True)
class Notice:
    """An erasure that was carried out here."""

    request: str
    workspace: str
    counts: dict[str, int]


@dataclass
class State:
    """Everything of the customers that a batch may touch.

    `causes` says whom the entry absorbed last concerns and why; `cleared` whose members it ends at once. `upcoming`
    are the next customers of a workspace to be back-filled, all there are if it is in `complete`. `keys` are those of
    the bindings that are new in this batch.
    """

    clock: int = 0
    events_position: int = 0
    absorbed: int = 0
    segments: Rows[str, Segment] = field(default_factory=Rows)
    bindings: Rows[bytes, Known] = field(default_factory=Rows)
    consents: Rows[tuple[bytes, str], Decided] = field(default_factory=Rows)
    restrictions: Rows[tuple[bytes, str], bool] = field(default_factory=Rows)
    members: Rows[tuple[bytes, str], Member] = field(default_factory=Rows)
    due: Rows[bytes, int] = field(default_factory=Rows)
    sweeps: Rows[str, bytes] = field(default_factory=Rows)
    upcoming: dict[str, list[bytes]] = field(default_factory=dict)
    complete: set[str] = field(default_factory=set)
    keys: dict[bytes, Sealed | None] = field(default_factory=dict)
    merged: list[Merged] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    forgotten: set[bytes] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)
    causes: dict[bytes, str] = field(default_factory=dict)
    cleared: list[Cleared] = field(default_factory=list)
    judged: dict[bytes, Judgement] = field(default_factory=dict)
    of_customer: defaultdict[bytes, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    of_pseudonym: defaultdict[bytes, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    inside: defaultdict[bytes, set[str]] = field(default_factory=lambda: defaultdict(set))
    said: defaultdict[bytes, set[str]] = field(default_factory=lambda: defaultdict(set))
    bound: defaultdict[bytes, set[str]] = field(default_factory=lambda: defaultdict(set))

    def learn(self, binding: bytes, known: Known) -> None:
        """Enters a binding into the indexes."""
        self.of_customer[known.customer].add(binding)
        for pseudonym in known.pseudonyms:
            self.of_pseudonym[pseudonym].add(binding)

    def index(self) -> None:
        """Builds the indexes over what was loaded."""
        for binding, known in self.bindings.items():
            self.learn(binding, known)
        for customer, segment in self.members:
            self.inside[customer].add(segment)
        for pseudonym, purpose in self.consents:
            self.said[pseudonym].add(purpose)
        for pseudonym, request in self.restrictions:
            self.bound[pseudonym].add(request)

    def parts(self, customer: bytes) -> list[Known]:
        """The customer's bindings, in order."""
        return [self.bindings[binding] for binding in sorted(self.of_customer[customer])]

    def fragment(self, customer: bytes) -> Fragment:
        """The sum of the customer's fragments; not to be changed."""
        parts = [known.open() for known in self.parts(customer)]
        for known, part in zip(self.parts(customer), parts, strict=True):
            if known.grown and _is_wide(part):
                cut(part)  # names that would not be stored must not count either
        return parts[0] if len(parts) == 1 else merge(*parts)

    def decided(self, customer: bytes) -> dict[str, bool]:
        """By purpose: whether every pseudonym of the customer that decided agrees last."""
        found: dict[str, bool] = {}
        for known in self.parts(customer):
            for pseudonym in known.pseudonyms:
                for purpose in self.said[pseudonym]:
                    found[purpose] = found.get(purpose, True) and self.consents[pseudonym, purpose].granted
        return found

    def is_restricted(self, customer: bytes) -> bool:
        """Whether the customer may only be stored."""
        return any(self.bound[pseudonym] for known in self.parts(customer) for pseudonym in known.pseudonyms)

    def enter(self, customer: bytes, segment: str, member: Member) -> None:
        """Puts a customer into a segment."""
        self.members.put((customer, segment), member)
        self.inside[customer].add(segment)

    def leave(self, customer: bytes, segment: str) -> None:
        """Takes a customer out of a segment."""
        self.members.drop((customer, segment))
        self.inside[customer].discard(segment)
