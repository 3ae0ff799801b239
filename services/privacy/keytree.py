"""A workspace's keys: KEK -> bucket keys, day keys and the root secret (slots) -> data keys (rows).

A `KeyTree` is how the tree stood at one epoch; it does not change. Whoever finds that a key no longer opens
something (`Stale`) loads the tree anew and begins again. Whoever *adds* rows first makes sure, under the
workspace's lock, that the tree is the present one.

Derived keys are one block of HKDF-Expand (RFC 5869, 2.3) under the suite's keyed hash. Peppers hang under the
root secret, not under the KEK, so that rotating the KEK changes no pseudonym and no event id.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from libs.common.crypto import CannotOpen, Sealer, Suite, associated
from services.privacy.buckets import BINDINGS, IDENTIFIERS, Bucket, Directory, point_of
from services.privacy.keyfiles import KeyFiles, MissingKeyFile

ROOT_BYTES = 32
ROOT_OWNER = b"root"
LOOKUP_BYTES = 16
SEALING_OVERHEAD = 28
CACHED_KEYS = 20_000


class Stale(Exception):
    """What a tree says no longer holds: load it anew and begin again."""


class BucketKey:
    """What is done with a bucket's key: sealing its rows and, for identifiers, finding them."""

    __slots__ = ("_lookup_key", "_suite", "epoch", "sealer")

    def __init__(self, suite: Suite, key: bytes, epoch: int) -> None:
        self._suite = suite
        self._lookup_key = derive(suite, key, b"lookup")
        self.sealer: Sealer = suite.sealer(key)
        self.epoch = epoch

    def lookup(self, kind: str, value: str) -> bytes:
        """Where to find an identifier; without the bucket's key nobody can compute it."""
        return self._suite.keyed_hash(self._lookup_key, identity(kind, value))[:LOOKUP_BYTES]


@dataclass(frozen=True)
class Secrets:
    """What a workspace keeps for its whole life, derived from its root secret."""

    pepper: bytes
    suppression_pepper: bytes
    event_id_key: bytes

    @classmethod
    def of(cls, suite: Suite, root: bytes) -> Self:
        """From the root secret."""
        return cls(*(derive(suite, root, label) for label in (b"pepper", b"suppression pepper", b"event ids")))


@dataclass(frozen=True)
class KeyTree:
    """The tree at `epoch`; `known` caches opened bucket keys, `suppresses` tells whether anyone was erased."""

    workspace: str
    partition: int
    suite: Suite
    epoch: int
    key_file: str
    files: KeyFiles
    kek: Sealer
    root_slot: int
    secrets: Secrets
    directories: Mapping[str, Directory]
    suppresses: bool
    known: dict[tuple[str, int], BucketKey] = field(default_factory=dict, repr=False)

    def identifier_bucket(self, kind: str, value: str) -> Bucket:
        """The bucket that an identifier belongs to."""
        digest = self.suite.keyed_hash(self.secrets.pepper, identity(kind, value))
        return self.directories[IDENTIFIERS].covering(point_of(digest))

    def binding_bucket(self, binding: bytes) -> Bucket:
        """The bucket that a binding belongs to."""
        return self.directories[BINDINGS].covering(point_of(binding))

    def bucket_at(self, family: str, start: int) -> Bucket:
        """The bucket that a row names. Raises Stale when this tree does not know it."""
        try:
            return self.directories[family].at(start)
        except KeyError:
            raise Stale(f"no bucket of {family} begins at {start} in epoch {self.epoch}") from None

    def suppression(self, kind: str, value: str) -> bytes:
        """What is kept of an erased identifier; under a pepper of its own."""
        return self.suite.keyed_hash(self.secrets.suppression_pepper, identity(kind, value))

    def key(self, bucket: Bucket) -> BucketKey:
        """The key of a bucket. Raises Stale when it is not in its slot any more."""
        found = self.known.get((bucket.family, bucket.start))
        if found is None or found.epoch != bucket.epoch:
            found = BucketKey(self.suite, self.open_slot(bucket.slot, bucket_owner(bucket)), bucket.epoch)
            while len(self.known) >= CACHED_KEYS:
                self.known.pop(next(iter(self.known)), None)
            self.known[bucket.family, bucket.start] = found
        return found

    def open_slot(self, slot: int, owner: bytes) -> bytes:
        """The key in a slot, bound to its owner. Raises Stale."""
        try:
            content = self.files.read(self.key_file, slot)
            return open_slot(self.kek, self.suite, self.workspace, owner, content)
        except (CannotOpen, MissingKeyFile) as error:
            raise Stale(f"slot {slot} of {self.workspace} does not hold the key of {owner.decode()}") from error

    def seal_slot(self, key: bytes, owner: bytes) -> bytes:
        """The content of the slot that holds `key` for `owner`."""
        return seal_slot(self.kek, self.suite, self.workspace, owner, key)

    def row_associated(self, field: str, id: bytes) -> bytes:
        """Associated data of a sealed row: its table and primary key."""
        return associated(self.suite.name, self.workspace, field, id)

    def open_row(self, bucket: Bucket, id: bytes, sealed: bytes) -> bytes:
        """What a row holds. Raises Stale when another key sealed it."""
        try:
            return self.key(bucket).sealer.open(sealed, self.row_associated(bucket.family, id))
        except CannotOpen:
            raise Stale(f"a row of {bucket.family} {bucket.start} does not open") from None

    def seal_row(self, bucket: Bucket, id: bytes, plaintext: bytes) -> bytes:
        """The `sealed` column of a row of the bucket."""
        return self.key(bucket).sealer.seal(plaintext, self.row_associated(bucket.family, id))

    def slots(self) -> set[int]:
        """The slots of the root secret and of all buckets."""
        buckets = (bucket for directory in self.directories.values() for bucket in directory.buckets)
        return {self.root_slot, *(bucket.slot for bucket in buckets)}

    def grown(self, epoch: int, changed: Iterable[Bucket], suppresses: bool) -> "KeyTree":
        """The tree at a later epoch; it does not know the keys that were replaced."""
        by_family: dict[str, list[Bucket]] = {family: [] for family in self.directories}
        for bucket in changed:
            by_family[bucket.family].append(bucket)
        replaced = {(bucket.family, bucket.start) for found in by_family.values() for bucket in found}
        return replace(
            self,
            epoch=epoch,
            directories={family: self.directories[family].updated(found) for family, found in by_family.items()},
            suppresses=suppresses,
            known={place: key for place, key in self.known.items() if place not in replaced},
        )


def seal_slot(kek: Sealer, suite: Suite, workspace: str, owner: bytes, key: bytes) -> bytes:
    """The content of a slot that holds `key` for `owner`."""
    return kek.seal(key, associated(suite.name, workspace, "slot", owner))


def open_slot(kek: Sealer, suite: Suite, workspace: str, owner: bytes, content: bytes) -> bytes:
    """The key in a slot's content. Raises CannotOpen."""
    length = SEALING_OVERHEAD + (ROOT_BYTES if owner == ROOT_OWNER else suite.key_bytes)
    return kek.open(content[:length], associated(suite.name, workspace, "slot", owner))


def derive(suite: Suite, secret: bytes, label: bytes) -> bytes:
    """32 bytes derived from a secret for one use."""
    return suite.keyed_hash(secret, b"wanliu vault " + label + b"\x01")


def identity(kind: str, value: str) -> bytes:
    """What is hashed of an identifier: unambiguous, because a kind holds no NUL."""
    return kind.encode() + b"\0" + value.encode()


def bucket_owner(bucket: Bucket) -> bytes:
    """Names a bucket's key in its slot."""
    return b"bucket %s %d %d" % (bucket.family.encode(), bucket.start, bucket.epoch)


def day_owner(day: str) -> bytes:
    """Names a day's key in its slot."""
    return b"day " + day.encode()
