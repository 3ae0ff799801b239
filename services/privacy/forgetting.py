"""Forgetting: the vault acts on the `erased` facts of the log, and checks that the log speaks of what it knows.

In the transaction that moves the position: the person's rows go, the rows that shared their buckets are sealed
anew under fresh keys, the ledger says what was erased. After it: holders of keys are told, the old keys are
overwritten, the ledger says so. Applied twice, a fact finds nothing left to erase.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.confirming import note
from libs.common.contracts.events import EVENTS
from libs.common.contracts.stitched import Erased, Stitched
from libs.common.contracts.vault import Evict
from libs.common.db import driver_connection
from services.privacy import ledger, rows, store
from services.privacy.binding import FOREVER
from services.privacy.keyring import KeyChange, Keyring
from services.privacy.keytree import KeyTree, Stale
from services.privacy.ledger import Erasure
from services.privacy.rekey import open_identifier, rekey
from services.privacy.rows import BindingRow, IdentifierRow

NAME = "vault"
EVICT_IDS = 50_000


class VaultBehindLog(Exception):
    """The log names bindings that the vault neither knows nor erased: it is not the vault of this log.

    Most likely the vault's database was restored from a copy older than the log. Their events cannot be
    decrypted. Restore a newer copy together with its key files.
    """


class _Head(msgspec.Struct, array_like=True):
    """What every entry of EVENTS begins with."""

    workspace: str


class _Envelope(msgspec.Struct, array_like=True):
    type: str
    version: int
    data: msgspec.Raw


@dataclass(frozen=True)
class Demand:
    """What one entry of the log demands of the vault; `position` is the entry's in EVENTS."""

    workspace: str
    position: int
    at: int
    request: str = ""
    bindings: frozenset[bytes] = frozenset()
    pseudonyms: frozenset[bytes] = frozenset()
    suppressed_until: int = 0


_envelopes = msgspec.msgpack.Decoder(_Envelope)
_heads = msgspec.msgpack.Decoder(_Head)


def links_of(entry: Stitched) -> Iterator[tuple[str, bytes]]:
    """(workspace, binding) of each binding that the log names for the first time here."""
    for data, facts in zip(entry.entries, entry.facts, strict=True):
        if facts.linked:
            workspace = _heads.decode(_envelopes.decode(data).data).workspace
            yield from ((workspace, linked.binding) for linked in facts.linked)


def demands_of(entry: Stitched) -> Iterator[Demand]:
    """What is to be forgotten, in order; an erasure that found nobody demands nothing but to be noted."""
    for index, (data, facts) in enumerate(zip(entry.entries, entry.facts, strict=True)):
        envelope = _envelopes.decode(data)
        if not facts.erased and envelope.type != "erasure":
            continue
        workspace, position = _heads.decode(envelope.data).workspace, entry.origin.first + index
        asked = EVENTS.decode(data) if envelope.type == "erasure" else None
        for erased in facts.erased:
            until = FOREVER if asked is not None and asked.suppress else erased.at
            yield _demand(workspace, position, erased, until)
        if asked is not None and asked.request not in {erased.request for erased in facts.erased}:
            yield Demand(workspace, position, entry.clock, asked.request)


def _demand(workspace: str, position: int, erased: Erased, until: int) -> Demand:
    bindings, pseudonyms = frozenset(erased.bindings), frozenset(erased.pseudonyms)
    return Demand(workspace, position, erased.at, erased.request, bindings, pseudonyms, until)


class Forgetting:
    """The projection of STITCHED into the vault; see libs/common/projection.py."""

    name = NAME

    def __init__(self, ring: Keyring, publish: Callable[[Evict], Awaitable[None]]) -> None:
        self._ring, self._publish = ring, publish
        self._pending: defaultdict[str, list[Demand]] = defaultdict(list)
        self._swept: set[str] = set()

    async def apply(self, connection: AsyncConnection, entries: Sequence[tuple[int, Any]]) -> None:
        """Raises VaultBehindLog."""
        stitched = [entry for _, entry in entries if isinstance(entry, Stitched)]
        linked: defaultdict[str, set[bytes]] = defaultdict(set)
        demands: defaultdict[str, list[Demand]] = defaultdict(list)
        for entry in stitched:
            for workspace, binding in links_of(entry):
                linked[workspace].add(binding)
            for demand in demands_of(entry):
                demands[demand.workspace].append(demand)
        for workspace, bindings in sorted(linked.items()):
            await self._check_known(connection, workspace, bindings)
        for workspace, wanted in sorted(demands.items()):
            self._pending[workspace] += wanted
            await self._forget(connection, workspace, wanted)

    async def _check_known(self, connection: AsyncConnection, workspace: str, bindings: set[bytes]) -> None:
        while True:
            tree = await self._ring.load(connection, workspace)
            places = sorted((tree.binding_bucket(binding).start, binding) for binding in bindings)
            unknown = bindings - set(await rows.find_bindings(connection, workspace, places))
            if unknown:
                unknown -= await ledger.erased_among(connection, workspace, unknown)
            if not unknown:
                return
            try:
                await self._ring.require_present(connection, tree)
            except Stale:
                continue
            raise VaultBehindLog(
                f"the log names {len(unknown)} bindings of workspace {workspace} that the vault neither knows nor "
                f"erased, such as {min(unknown).hex()}: restore the newest copy of the vault's database with its keys"
            )

    async def _forget(self, connection: AsyncConnection, workspace: str, demands: Sequence[Demand]) -> None:
        async with self._ring.engine.connect() as spare:
            tree = await self._ring.lock(connection, workspace)
            await forget(KeyChange(self._ring, connection, spare, tree), demands)

    async def settle(self) -> None:
        """Tells holders of keys and overwrites the old keys of what is committed; at the first call, everywhere."""
        for workspace in await self._unsettled():
            async with self._ring.engine.connect() as connection:
                requests = await ledger.unwiped(connection, workspace)
                bindings = await ledger.bindings_of(connection, workspace, requests)
            demands = self._pending[workspace]
            await self._evict(workspace, bindings, [p for demand in demands for p in demand.pseudonyms])
            if workspace in self._swept and {demand.request for demand in demands}.issuperset(requests):
                await self._ring.settle(workspace)
            else:  # a process that is no more, or another one at this moment, erased too
                await self._ring.sweep(workspace)
            async with self._ring.engine.begin() as connection:
                await ledger.note_wiped(connection, workspace, requests, self._ring.clock.now())
                await self._confirm(connection, workspace, requests)
            self._swept.add(workspace)
            self._pending.pop(workspace, None)

    async def _confirm(self, connection: AsyncConnection, workspace: str, requests: Sequence[str]) -> None:
        """Only now is it true: the rows are gone and the keys are overwritten."""
        driver = await driver_connection(connection)
        partition = (await self._ring.load(connection, workspace)).partition
        for request in requests:
            found = await ledger.erasure(connection, workspace, request)
            if found is not None:
                counts = {"bindings": found[0].bindings, "identifiers": found[0].identifiers}
                await note(driver, request, workspace, counts, partition)

    async def _unsettled(self) -> set[str]:
        if self._swept:
            return set(self._pending)
        async with self._ring.engine.connect() as connection:
            return set(await store.workspaces(connection))

    async def _evict(self, workspace: str, bindings: Sequence[bytes], pseudonyms: Sequence[bytes]) -> None:
        for start in range(0, max(len(bindings), len(pseudonyms)), EVICT_IDS):
            ids = slice(start, start + EVICT_IDS)
            await self._publish(Evict(workspace, list(bindings[ids]), list(pseudonyms[ids])))


async def forget(change: KeyChange, demands: Sequence[Demand]) -> None:
    """Erases what is demanded, under fresh keys for every bucket it was in, and writes the ledger."""
    connection, tree = change.connection, change.tree
    workspace = tree.workspace
    pseudonyms = frozenset[bytes]().union(*(demand.pseudonyms for demand in demands))
    bindings = frozenset[bytes]().union(*(demand.bindings for demand in demands))
    names = {row.pseudonym: row for row in await rows.identifiers_of(connection, workspace, sorted(pseudonyms))}
    places = sorted((tree.binding_bucket(binding).start, binding) for binding in bindings)
    keys = await rows.find_bindings(connection, workspace, places)

    await ledger.suppress(connection, workspace, _suppressions(tree, names, demands))
    await _write_ledger(connection, workspace, demands, set(names), set(keys))
    await rows.delete_identifiers(connection, workspace, names)
    await rows.delete_bindings(connection, workspace, keys.values())
    await rekey(change, {bucket: [bucket.start] for bucket in _buckets(tree, names.values(), keys.values())})


def _suppressions(tree: KeyTree, names: Mapping[bytes, IdentifierRow], demands: Sequence[Demand]) -> dict[bytes, int]:
    """Until when each identifier is suppressed, by what is kept of it: its erasure, or for ever."""
    erased_at: dict[bytes, int] = {}
    for demand in demands:
        for pseudonym in demand.pseudonyms & names.keys():
            row = names[pseudonym]
            kept = tree.suppression(row.kind, open_identifier(tree, row))
            erased_at[kept] = max(demand.suppressed_until, erased_at.get(kept, 0))
    return erased_at


async def _write_ledger(
    connection: AsyncConnection, workspace: str, demands: Sequence[Demand], names: set[bytes], keys: set[bytes]
) -> None:
    """Counts what each request erases; what two demand, the first one erases."""
    for demand in demands:
        mine = keys & demand.bindings, names & demand.pseudonyms
        done = Erasure(demand.request, demand.position, len(mine[0]), len(mine[1]), demand.at)
        await ledger.note_erased(connection, workspace, demand.request, demand.bindings)
        await ledger.note_erasure(connection, workspace, done)
        keys, names = keys - mine[0], names - mine[1]


def _buckets(tree: KeyTree, names: Iterable[IdentifierRow], keys: Iterable[BindingRow]) -> set[Any]:
    return {tree.bucket_at("identifiers", row.bucket) for row in names} | {
        tree.bucket_at("bindings", row.bucket) for row in keys
    }
