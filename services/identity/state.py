"""The part of identity's tables that a batch of entries can touch, in memory; see store.py for how it is loaded.

Only what was `put` or `drop`ped is written back. All ids are 16 bytes.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

from libs.common.contracts.stitched import Refused

V = TypeVar("V")

Counts = Mapping[str, int]
"""How many pseudonyms a customer has, of each kind that has a limit; without zeros, never changed in place."""


class Birth(NamedTuple):
    """When something first appeared: the entry's position and the number within the entry. Orders by age."""

    position: int
    number: int


class Owned(NamedTuple):
    """A pseudonym that belongs to a customer."""

    kind: str
    customer: bytes
    born: Birth


class Customer(NamedTuple):
    """A customer is as old as its oldest pseudonym, whose birth also gave it its id."""

    workspace: str
    born: Birth


class Evidence(NamedTuple):
    """Why a binding belongs where it does: what it carries and when it first came, kept for later splits."""

    pseudonyms: tuple[bytes, ...]
    first: Birth


class Former(NamedTuple):
    """A customer that ended: in which one it is now, and the binding at the position that ended it."""

    customer: bytes
    binding: bytes
    position: int


@dataclass(slots=True)
class Members:
    """Everything that belongs to a customer, each once; `former` are the customers that ended in it."""

    pseudonyms: list[bytes] = field(default_factory=list)
    bindings: list[bytes] = field(default_factory=list)
    former: list[bytes] = field(default_factory=list)

    def absorb(self, other: "Members") -> None:
        """Takes over what belonged to another customer."""
        self.pseudonyms += other.pseudonyms
        self.bindings += other.bindings
        self.former += other.former


class Rows(dict[bytes, V], Generic[V]):
    """Rows of one table by key. Values are immutable: a change is a `put`."""

    def __init__(self) -> None:
        super().__init__()
        self._stored: set[bytes] = set()
        self._touched: set[bytes] = set()

    def load(self, rows: Iterable[tuple[bytes, V]]) -> None:
        """Rows as they are stored."""
        found = dict(rows)
        self.update(found)
        self._stored.update(found)

    def put(self, key: bytes, value: V) -> None:
        """Inserts or replaces a row."""
        self[key] = value
        self._touched.add(key)

    def put_all(self, keys: Iterable[bytes], value: V) -> None:
        """Inserts or replaces rows of the same value."""
        rows = dict.fromkeys(keys, value)
        self.update(rows)
        self._touched.update(rows)

    def drop(self, key: bytes) -> None:
        """Deletes a row; it is no error if there is none."""
        self.pop(key, None)
        self._touched.add(key)

    def inserted(self) -> list[tuple[bytes, V]]:
        """Rows that are not stored yet, by key."""
        return [(key, self[key]) for key in sorted(self._touched - self._stored) if key in self]

    def updated(self) -> list[tuple[bytes, V]]:
        """Stored rows that changed, by key."""
        return [(key, self[key]) for key in sorted(self._touched & self._stored) if key in self]

    def deleted(self) -> list[bytes]:
        """Stored rows that are gone, by key."""
        return [key for key in sorted(self._touched & self._stored) if key not in self]


@dataclass(slots=True)
class Slice:
    """All that deciding about a batch of entries can need, and what it changed.

    `members` holds only the customers that may end or be erased in this batch, and those born in it; the
    others may be large and are only ever added to. `evidence` is there for new bindings and for those of
    customers that may be erased. `erased` maps erased bindings and pseudonyms to the request that erased them.
    `confirmed` holds requests that were carried out: (request, workspace, how much was forgotten).
    """

    log_id: str
    clock: int = 0
    clock_before: int = 0
    seen: Rows[int] = field(default_factory=Rows)
    pseudonyms: Rows[Owned] = field(default_factory=Rows)
    bindings: Rows[bytes] = field(default_factory=Rows)
    customers: Rows[Customer] = field(default_factory=Rows)
    former: Rows[Former] = field(default_factory=Rows)
    erased: Rows[str] = field(default_factory=Rows)
    evidence: dict[bytes, Evidence] = field(default_factory=dict)
    counts: dict[bytes, Counts] = field(default_factory=dict)
    members: dict[bytes, Members] = field(default_factory=dict)
    refused: list[tuple[int, str, Refused]] = field(default_factory=list)
    confirmed: list[tuple[str, str, Mapping[str, int]]] = field(default_factory=list)
    booked: defaultdict[tuple[str, str], Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
