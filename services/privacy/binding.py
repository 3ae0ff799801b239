"""Get or create: pseudonyms of identifiers, bindings of sets of pseudonyms, data keys of bindings.

What exists is read without a lock. What is new is added under the workspace's shared lock, so that no row is
sealed under a key that is being replaced; two processes that add the same find each other in the index.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.contracts.vault import Bound, Identifier
from libs.common.crypto import binding_id
from services.privacy import ledger, rows
from services.privacy.buckets import BINDINGS, IDENTIFIERS
from services.privacy.keyring import Keyring
from services.privacy.keytree import KeyTree
from services.privacy.rows import BindingRow, IdentifierRow

FOREVER = (1 << 63) - 1
PSEUDONYM_BYTES = 16
Place = tuple[int, bytes]


def new_pseudonym() -> bytes:
    """128 random bits."""
    return os.urandom(PSEUDONYM_BYTES)


@dataclass
class BindJob:
    """One request to bind sets of identifiers. `added` holds (family, bucket, id) of what it created."""

    ring: Keyring
    tree: KeyTree
    sets: Sequence[Sequence[Identifier]]
    places: dict[Identifier, Place] = field(default_factory=dict)
    pseudonyms: dict[Place, bytes] = field(default_factory=dict)
    bindings: list[bytes] = field(default_factory=list)
    keys: dict[bytes, bytes] = field(default_factory=dict)
    suppressed: dict[Identifier, int] = field(default_factory=dict)
    erased: set[bytes] = field(default_factory=set)
    added: list[tuple[str, int, bytes]] = field(default_factory=list)

    async def run(self) -> list[Bound]:
        """One Bound per set. Raises Stale."""
        self.places = {identifier: self._place(identifier) for identifier in self._identifiers()}
        async with self.ring.engine.connect() as connection:
            self.pseudonyms = await rows.find_identifiers(connection, self.tree.workspace, list(self.places.values()))
            await self._find_suppressed(connection)
            if not self._nameless():
                self._name_bindings()
                self._open(await self._find_bindings(connection, self._keyless()))
        if not self.bindings or self._keyless():
            await self._create()
        return [self._bound(*pair) for pair in zip(self.sets, self.bindings, strict=True)]

    def _identifiers(self) -> Iterable[Identifier]:
        return dict.fromkeys(identifier for identifiers in self.sets for identifier in identifiers)

    def _place(self, identifier: Identifier) -> Place:
        bucket = self.tree.identifier_bucket(identifier.kind, identifier.value)
        return bucket.start, self.tree.key(bucket).lookup(identifier.kind, identifier.value)

    def _nameless(self) -> list[Identifier]:
        return [identifier for identifier, place in self.places.items() if place not in self.pseudonyms]

    def _pseudonyms_of(self, identifiers: Sequence[Identifier]) -> list[bytes]:
        return [self.pseudonyms[self.places[identifier]] for identifier in identifiers]

    def _name_bindings(self) -> None:
        workspace = self.tree.workspace
        self.bindings = [binding_id(workspace, self._pseudonyms_of(identifiers)) for identifiers in self.sets]

    def _keyless(self) -> list[bytes]:
        wanted = dict.fromkeys(self.bindings)
        return [binding for binding in wanted if binding not in self.keys and binding not in self.erased]

    async def _find_suppressed(self, connection: AsyncConnection) -> None:
        if not self.tree.suppresses:
            return
        hashes = {self.tree.suppression(i.kind, i.value): i for i in self.places}
        found = await ledger.suppressions(connection, self.tree.workspace, list(hashes))
        self.suppressed = {hashes[lookup]: at for lookup, at in found.items()}

    async def _find_bindings(self, connection: AsyncConnection, bindings: Sequence[bytes]) -> Iterable[BindingRow]:
        places = [(self.tree.binding_bucket(binding).start, binding) for binding in bindings]
        return (await rows.find_bindings(connection, self.tree.workspace, places)).values()

    def _open(self, found: Iterable[BindingRow]) -> None:
        for row in found:
            bucket = self.tree.binding_bucket(row.binding)
            self.keys[row.binding] = self.tree.open_row(bucket, row.binding, row.sealed)

    async def _create(self) -> None:
        async with self.ring.engine.begin() as connection:
            await self.ring.lock_shared(connection, self.tree)
            await self._create_identifiers(connection)
            self._name_bindings()
            self._open(await self._find_bindings(connection, self._keyless()))
            await self._create_bindings(connection)

    async def _create_identifiers(self, connection: AsyncConnection) -> None:
        new = [self._new_identifier(identifier) for identifier in self._nameless()]
        if not new:
            return
        added = await rows.add_identifiers(connection, self.tree.workspace, new)
        self.added += [(IDENTIFIERS, bucket, lookup) for bucket, lookup in added]
        self.pseudonyms |= added
        others = [self.places[identifier] for identifier in self._nameless()]
        if others:  # another process was faster; its transaction has ended, or our insert would still wait
            self.pseudonyms |= await rows.find_identifiers(connection, self.tree.workspace, others)

    def _new_identifier(self, identifier: Identifier) -> IdentifierRow:
        start, lookup = self.places[identifier]
        pseudonym, bucket = new_pseudonym(), self.tree.bucket_at(IDENTIFIERS, start)
        sealed = self.tree.seal_row(bucket, pseudonym, identifier.value.encode())
        return IdentifierRow(pseudonym, identifier.kind, start, lookup, sealed)

    async def _create_bindings(self, connection: AsyncConnection) -> None:
        missing = self._keyless()
        if not missing:
            return
        self.erased = await ledger.erased_among(connection, self.tree.workspace, missing)
        fresh = {binding: self.tree.suite.new_key() for binding in self._keyless()}
        new = [self._new_binding(binding, key) for binding, key in fresh.items()]
        added = await rows.add_bindings(connection, self.tree.workspace, new)
        self.added += [(BINDINGS, row.bucket, row.binding) for row in added.values()]
        self.keys |= {binding: fresh[binding] for binding in added}
        self._open(await self._find_bindings(connection, self._keyless()) if len(added) < len(new) else ())

    def _new_binding(self, binding: bytes, key: bytes) -> BindingRow:
        bucket = self.tree.binding_bucket(binding)
        return BindingRow(binding, bucket.start, self.tree.seal_row(bucket, binding, key))

    def _bound(self, identifiers: Sequence[Identifier], binding: bytes) -> Bound:
        pseudonyms = self._pseudonyms_of(identifiers)
        if binding in self.erased:
            # A forgotten binding stays forgotten: a key that nobody keeps, for events that nobody may store.
            return Bound(binding, pseudonyms, self.tree.suite.new_key(), FOREVER)
        until = max((self.suppressed.get(identifier, 0) for identifier in identifiers), default=0)
        return Bound(binding, pseudonyms, self.keys[binding], until)
