"""Requests to the vault, over NATS request-reply on `vault.v1.<operation>`; msgpack both ways.

Every request is a batch. A failure comes back as a reply with the header `Wanliu-Error: <code>` and a
readable message as payload. On erasure the vault publishes `Evict` on `vault.v1.evict`; a holder of keys
drops them then, and in any case after CACHE_SECONDS.
"""

import msgspec

SUBJECT = "vault.v1"
EVICT_SUBJECT = f"{SUBJECT}.evict"
ERROR_HEADER = "Wanliu-Error"
CACHE_SECONDS = 60.0

LIVE, ERASED, UNKNOWN = "live", "erased", "unknown"


class WorkspaceRequest(msgspec.Struct, array_like=True, frozen=True):
    """Operation `workspace`: what a service must know to work for a workspace."""

    workspace: str


class WorkspaceReply(msgspec.Struct, array_like=True, frozen=True):
    """`event_id_key` (32 bytes) keys the hash of event ids, so that an id does not reveal a message id."""

    workspace: str
    partition: int
    suite: str
    event_id_key: bytes


class Identifier(msgspec.Struct, array_like=True, frozen=True):
    """A kind and a normalised value that point at a person."""

    kind: str
    value: str


class BindRequest(msgspec.Struct, array_like=True, frozen=True):
    """Operation `bind`: get or create the pseudonyms, binding and data key of each set of identifiers."""

    workspace: str
    sets: list[list[Identifier]]


class Bound(msgspec.Struct, array_like=True, frozen=True):
    """`pseudonyms[i]` stands for identifier i of the set. Events that occurred at or before
    `suppressed_until` (microseconds, 0 = none) belong to an erased person and must not be stored."""

    binding: bytes
    pseudonyms: list[bytes]
    key: bytes
    suppressed_until: int


class BindReply(msgspec.Struct, array_like=True, frozen=True):
    """One Bound per set, in order."""

    bound: list[Bound]


class KeysRequest(msgspec.Struct, array_like=True, frozen=True):
    """Operation `keys`: the data keys of bindings."""

    workspace: str
    bindings: list[bytes]


class Key(msgspec.Struct, array_like=True, frozen=True):
    """`state` is live (with key), erased (the ledger says so) or unknown (a fault: the reader must stop)."""

    state: str
    key: bytes = b""


class KeysReply(msgspec.Struct, array_like=True, frozen=True):
    """One Key per binding, in order."""

    keys: list[Key]


class FindRequest(msgspec.Struct, array_like=True, frozen=True):
    """Operation `find`: the pseudonyms of identifiers, creating none."""

    workspace: str
    identifiers: list[Identifier]


class FindReply(msgspec.Struct, array_like=True, frozen=True):
    """One pseudonym per identifier, in order; None where the identifier is not known."""

    pseudonyms: list[bytes | None]


class RevealRequest(msgspec.Struct, array_like=True, frozen=True):
    """Operation `reveal`: the identifiers behind pseudonyms. The caller answers for purpose and audit."""

    workspace: str
    pseudonyms: list[bytes]


class RevealReply(msgspec.Struct, array_like=True, frozen=True):
    """One identifier per pseudonym, in order; None where it is erased or unknown."""

    identifiers: list[Identifier | None]


class DayKeyRequest(msgspec.Struct, array_like=True, frozen=True):
    """Operation `day_key`: the key that a day's rejects are sealed under; created for today and yesterday only."""

    workspace: str
    day: str


class DayKeyReply(msgspec.Struct, array_like=True, frozen=True):
    """`state` is live, erased (older than 30 days, destroyed) or unknown."""

    state: str
    key: bytes = b""


class Evict(msgspec.Struct, array_like=True, frozen=True):
    """Drop these bindings' keys and these pseudonyms from every cache, now."""

    workspace: str
    bindings: list[bytes]
    pseudonyms: list[bytes]
