"""An entry of the log while it is being filled: tables of sources and bindings, and a tally per source."""

from typing import NamedTuple

from libs.common.contracts.events import Batch, Binding, Event, Reject, Tally
from services.ingest.refusals import Reason

_EVENT_BYTES, _BINDING_BYTES, _PSEUDONYM_BYTES, _REJECT_BYTES = 64, 32, 40, 128


class Accepted(NamedTuple):
    """An encrypted event."""

    id: bytes
    binding: Binding
    occurred_at: int
    received_at: int
    body: bytes


class Rejected(NamedTuple):
    """A refused event, sealed under the key of `day`."""

    id: bytes
    reason: Reason
    pointer: str
    detail: str
    received_at: int
    day: str
    body: bytes


class Suppressed(NamedTuple):
    """An event of an erased person from before the erasure: counted, nothing else."""

    received_at: int


Piece = Accepted | Rejected | Suppressed


def size_of(piece: Piece) -> int:
    """An upper bound of what the piece adds to an entry, in bytes."""
    if isinstance(piece, Accepted):
        return _EVENT_BYTES + len(piece.body) + _BINDING_BYTES + _PSEUDONYM_BYTES * len(piece.binding.pseudonyms)
    if isinstance(piece, Rejected):
        # Up to four bytes a character: detail and pointer are ours, and short.
        return _REJECT_BYTES + len(piece.body) + 4 * (len(piece.detail) + len(piece.pointer))
    return 0


class Writing:
    """Fills one entry up to its limits."""

    def __init__(self, max_pieces: int, max_bytes: int) -> None:
        self._pieces_left, self._bytes_left = max_pieces, max_bytes
        self._sources: dict[str, int] = {}
        self._bindings: dict[bytes, int] = {}
        self._binding_list: list[Binding] = []
        self._events: list[Event] = []
        self._rejects: list[Reject] = []
        self._counts: list[list[int]] = []

    def add(self, source: str, piece: Piece) -> bool:
        """Takes the piece, or returns False when the entry is full."""
        size = size_of(piece)
        if self._pieces_left == 0 or (size > self._bytes_left and self._events_or_rejects()):
            return False
        self._pieces_left -= 1
        self._bytes_left -= size
        index = self._source(source)
        if isinstance(piece, Accepted):
            self._accept(index, piece)
        elif isinstance(piece, Rejected):
            self._reject(index, piece)
        else:
            self._counts[index][2] += 1
        return True

    def batch(self, workspace: str, appended_at: int, suite: str) -> Batch:
        """The finished entry."""
        return Batch(
            workspace,
            appended_at,
            suite,
            list(self._sources),
            self._binding_list,
            self._events,
            self._rejects,
            self.tallies(),
        )

    def tallies(self) -> list[Tally]:
        """Ingest itself calls nothing a duplicate: identity decides that."""
        return [
            Tally(source, accepted + rejected + suppressed, accepted, rejected, 0, suppressed)
            for source, (accepted, rejected, suppressed) in enumerate(self._counts)
        ]

    def _events_or_rejects(self) -> bool:
        return bool(self._events or self._rejects)

    def _source(self, source: str) -> int:
        index = self._sources.setdefault(source, len(self._sources))
        if index == len(self._counts):
            self._counts.append([0, 0, 0])
        return index

    def _accept(self, source: int, piece: Accepted) -> None:
        self._counts[source][0] += 1
        known = len(self._bindings)
        binding = self._bindings.setdefault(piece.binding.id, known)
        if binding == known:
            self._binding_list.append(piece.binding)
        self._events.append(Event(piece.id, source, binding, piece.occurred_at, piece.received_at, piece.body))

    def _reject(self, source: int, piece: Rejected) -> None:
        self._counts[source][1] += 1
        self._rejects.append(
            Reject(
                piece.id,
                source,
                piece.reason,
                piece.pointer,
                piece.detail,
                piece.received_at,
                piece.day,
                piece.body,
            )
        )
