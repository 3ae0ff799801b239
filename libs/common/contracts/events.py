"""Entries of EVENTS_<p>: every fact, in one total order per partition.

In clear are only the workspace, sources, hashed event ids, bindings, pseudonyms with their kinds, times
and counts. Whatever a person sent or is called stands in `body`, encrypted under the key of its binding
(events, see `body.py`) or under a key of the day (rejects). Times are microseconds since the Unix epoch, UTC.

`gc=False`: what comes by the thousand is never part of a cycle, and the garbage collector looking through it
again and again cost a reader half of its time (m, bench/identity.py).
"""

import msgspec

from libs.common.contracts.registry import Registry

MAX_EVENTS_PER_ENTRY = 500
MAX_ENTRY_BYTES = 1024 * 1024

EVENTS = Registry()


class Pseudonym(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The random 128-bit stand-in of one identifier of one kind."""

    kind: str
    id: bytes


class Binding(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The set of pseudonyms that an event carries. `id` = hash of the sorted set (see crypto.binding_id)."""

    id: bytes
    pseudonyms: list[Pseudonym]


class Event(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One event. `source` and `binding` are indexes into the batch's tables; `id` is 16 bytes, keyed hash."""

    id: bytes
    source: int
    binding: int
    occurred_at: int
    received_at: int
    body: bytes


class Reject(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An event that was refused and why. `day` (YYYY-MM-DD) names the key that `body` is sealed under."""

    id: bytes
    source: int
    reason: str
    pointer: str
    detail: str
    received_at: int
    day: str
    body: bytes


class Tally(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What one source sent in this entry: received = accepted + rejected + duplicate + suppressed."""

    source: int
    received: int
    accepted: int
    rejected: int
    duplicate: int
    suppressed: int


class Batch(msgspec.Struct, array_like=True, frozen=True):
    """What ingest group-committed: at most 500 events and 1 MiB, of one workspace.

    Events, rejects and tallies are one append, so acceptance, refusal and accounting cannot disagree.
    `sources` holds source ids.
    """

    workspace: str
    appended_at: int
    suite: str
    sources: list[str]
    bindings: list[Binding]
    events: list[Event]
    rejects: list[Reject]
    tallies: list[Tally]


class SourceCreated(msgspec.Struct, array_like=True, frozen=True):
    """A channel system may push events; `key_hash` = SHA-256 of its write key (>= 128 random bits)."""

    workspace: str
    appended_at: int
    source: str
    name: str
    channel: str
    key_hash: bytes


class SourceDeleted(msgspec.Struct, array_like=True, frozen=True):
    """The source's write key is dead; what it sent stays."""

    workspace: str
    appended_at: int
    source: str


class Erasure(msgspec.Struct, array_like=True, frozen=True):
    """Forget the person behind `seeds`. Identity decides, at this position, which bindings that is.

    `suppress`: never process these identifiers again; otherwise newer events begin a new person.
    """

    workspace: str
    appended_at: int
    request: str
    seeds: list[Pseudonym]
    suppress: bool = False


class Revealed(msgspec.Struct, array_like=True, frozen=True):
    """Personal information of `customer` was shown to `caller` for `purpose`. `names` says which, never a value."""

    workspace: str
    appended_at: int
    caller: str
    customer: bytes
    purpose: str
    names: list[str]


class ConsentDecision(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A person, known by one pseudonym, granted or withdrew consent to a purpose."""

    pseudonym: Pseudonym
    purpose: str
    granted: bool


class Consents(msgspec.Struct, array_like=True, frozen=True):
    """Decisions recorded together. Effective at this position; `decided_at` is when the person decided.

    `actor` is the recorder, `method` how (such as web_form, paper, import), `notice` the version of the notice that
    was shown (PIPL Art. 14 and 17). Of a pseudonym the decision made last counts, at one time that of the
    later position.
    """

    workspace: str
    appended_at: int
    actor: str
    method: str
    notice: str
    decided_at: int
    decisions: list[ConsentDecision]


class Restriction(msgspec.Struct, array_like=True, frozen=True):
    """From here on the person behind `seeds` may only be stored (PIPL Art. 44, 47), until lifted or erased."""

    workspace: str
    appended_at: int
    request: str
    seeds: list[Pseudonym]
    lifted: bool


class ErasureConfirmed(msgspec.Struct, array_like=True, frozen=True):
    """`service` has acted on the erasure `request`; `counts` says on how much, by the name of what it was."""

    workspace: str
    appended_at: int
    request: str
    service: str
    counts: dict[str, int]


class SegmentDefined(msgspec.Struct, array_like=True, frozen=True):
    """A segment is defined, or redefined, from here on; `definition` is its JSON (services/segments)."""

    workspace: str
    appended_at: int
    segment: str
    name: str
    purpose: str
    definition: bytes
    actor: str


class SegmentDeleted(msgspec.Struct, array_like=True, frozen=True):
    """Nobody is in the segment any more."""

    workspace: str
    appended_at: int
    segment: str
    actor: str


EVENTS.register("batch", 1, Batch)
EVENTS.register("source_created", 1, SourceCreated)
EVENTS.register("source_deleted", 1, SourceDeleted)
EVENTS.register("erasure", 2, Erasure, {1: lambda data: [*data, False]})
EVENTS.register("revealed", 1, Revealed)
EVENTS.register("consents", 1, Consents)
EVENTS.register("restriction", 1, Restriction)
EVENTS.register("erasure_confirmed", 1, ErasureConfirmed)
EVENTS.register("segment_defined", 1, SegmentDefined)
EVENTS.register("segment_deleted", 1, SegmentDeleted)

EventsEntry = (
    Batch
    | SourceCreated
    | SourceDeleted
    | Erasure
    | Revealed
    | Consents
    | Restriction
    | ErasureConfirmed
    | SegmentDefined
    | SegmentDeleted
)
