"""Key trees as a process holds them, and the rules by which keys come and go.

Who changes keys holds the workspace's lock from before it takes slots until its transaction ends:
1. new keys are written to slots that were never used, and synced;
2. one transaction moves the rows over and names the new slots;
3. slots that no row names any more are overwritten, and synced (`settle`).
A crash between 1 and 2 leaves slots that nothing was sealed under (but in WAL of a transaction that never
was), one between 2 and 3 leaves the old ones; `sweep` overwrites both. Whether a transaction whose end
nobody saw was committed is read under its own lock, so it has ended by then.
"""

import asyncio
import os
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common.clock import Clock
from libs.common.crypto import SUITES, CannotOpen, Suite
from libs.common.errors import NotFound, Unavailable
from services.privacy import ledger, store
from services.privacy.buckets import FAMILIES, Bucket, Directory
from services.privacy.keyfiles import KeyFiles, MissingKeyFile
from services.privacy.keytree import (
    ROOT_BYTES,
    ROOT_OWNER,
    KeyTree,
    Secrets,
    Stale,
    bucket_owner,
    day_owner,
    open_slot,
    seal_slot,
)

ATTEMPTS = 20
R = TypeVar("R")


class KeyLost(Exception):
    """Database and key files disagree: what a row names is not in its slot. Restore what belongs together."""


class Keyring:
    """The key trees of a process."""

    def __init__(self, engine: AsyncEngine, directory: Path, clock: Clock) -> None:
        self.engine, self.clock = engine, clock
        self._directory = directory
        self._trees: dict[str, KeyTree] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._touched: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)

    def files(self, workspace: str) -> KeyFiles:
        """The workspace's key files."""
        return KeyFiles(self._directory, workspace)

    async def reading(self, workspace: str, work: Callable[[KeyTree], Awaitable[R]]) -> R:
        """Does `work`, which may raise Stale, with the present tree. Raises NotFound, KeyLost."""
        tree = self._trees.get(workspace) or await self.reload(workspace)
        for _ in range(ATTEMPTS):
            try:
                return await work(tree)
            except Stale as stale:
                fresh = await self.reload(workspace)
                if fresh.epoch == tree.epoch:
                    raise KeyLost(str(stale)) from stale
                tree = fresh
        raise Unavailable("keys change faster than they can be read")

    async def reload(self, workspace: str) -> KeyTree:
        """Loads what changed since this process last looked, and lets go of keys that were replaced."""
        async with self.engine.connect() as connection:
            return await self.load(connection, workspace)

    async def load(self, connection: AsyncConnection, workspace: str) -> KeyTree:
        """The tree as `connection` sees it. Raises NotFound, KeyLost."""
        row = await self._row(connection, workspace)
        while True:
            try:
                return await self._load(connection, row)
            except (CannotOpen, MissingKeyFile) as error:
                lost, row = row, await self._row(connection, workspace)
                if row.epoch == lost.epoch:
                    reason = f"{type(error).__name__} {error}".strip()
                    raise KeyLost(f"workspace {workspace} cannot be opened with {self._directory}: {reason}") from error

    async def _row(self, connection: AsyncConnection, workspace: str) -> store.Workspace:
        row = await store.workspace(connection, workspace)
        if row is None:
            raise NotFound(f"there is no workspace {workspace!r}")
        return row

    async def _load(self, connection: AsyncConnection, row: store.Workspace) -> KeyTree:
        # The row was read first: a tree may know a key that is newer than its epoch, never the reverse.
        tree = self._trees.get(row.name)
        if tree is not None and tree.epoch == row.epoch:
            return tree
        suppresses = await ledger.is_suppressing(connection, row.name)
        if tree is not None and tree.key_file == row.key_file:
            tree = tree.grown(row.epoch, await store.buckets_since(connection, row.name, tree.epoch), suppresses)
        else:
            tree = self._planted(row, await store.buckets_since(connection, row.name, -1), suppresses)
        present = self._trees.get(row.name)
        if present is None or present.epoch <= tree.epoch:  # another load may have been faster
            self._trees[row.name] = tree
        return tree

    def _planted(self, row: store.Workspace, buckets: list[Bucket], suppresses: bool) -> KeyTree:
        suite, files = SUITES[row.suite], self.files(row.name)
        kek = suite.sealer(files.kek(row.key_file))
        root = open_slot(kek, suite, row.name, ROOT_OWNER, files.read(row.key_file, row.root_slot))
        return KeyTree(
            workspace=row.name,
            partition=row.partition,
            suite=suite,
            epoch=row.epoch,
            key_file=row.key_file,
            files=files,
            kek=kek,
            root_slot=row.root_slot,
            secrets=Secrets.of(suite, root),
            directories={
                family: Directory.of(bucket for bucket in buckets if bucket.family == family) for family in FAMILIES
            },
            suppresses=suppresses,
        )

    async def lock(self, connection: AsyncConnection, workspace: str) -> KeyTree:
        """The present tree; until the transaction ends, only the caller changes keys or adds rows."""
        await store.lock_exclusively(connection, workspace)
        return await self.load(connection, workspace)

    async def lock_shared(self, connection: AsyncConnection, tree: KeyTree) -> None:
        """Until the transaction ends nobody changes keys. Raises Stale when `tree` is not the present one."""
        await store.lock_shared(connection, tree.workspace)
        await self.require_present(connection, tree)

    async def require_present(self, connection: AsyncConnection, tree: KeyTree) -> None:
        """Raises Stale when the keys have changed since `tree`."""
        if await store.epoch(connection, tree.workspace) != tree.epoch:
            raise Stale(f"the keys of {tree.workspace} have changed since epoch {tree.epoch}")

    @asynccontextmanager
    async def changing(self, workspace: str) -> AsyncIterator["KeyChange"]:
        """A transaction that may change keys, committed and settled at exit."""
        # The second connection is there before the lock: waiting for it later, behind others of this process
        # that hold one and wait for the lock, would never end.
        async with self._turns[workspace], self.engine.connect() as spare:
            try:
                async with self.engine.begin() as connection:
                    yield KeyChange(self, connection, spare, await self.lock(connection, workspace))
            finally:
                await self.settle(workspace)

    def touch(self, tree: KeyTree, slots: Iterable[int]) -> None:
        """The next `settle` overwrites those of these slots that no row names then."""
        self._touched[tree.workspace].update((tree.key_file, slot) for slot in slots)

    async def settle(self, workspace: str) -> None:
        """Overwrites what this process wrote or replaced and no row names; to call after each key change."""
        touched = self._touched.pop(workspace, set())
        if not touched:
            return
        try:
            async with self.engine.begin() as connection:
                tree = await self.lock(connection, workspace)
                named = tree.slots() | set((await store.day_slots(connection, workspace)).values())
                dead = {slot for file, slot in touched if file == tree.key_file and slot not in named}
            if dead:
                await asyncio.to_thread(tree.files.wipe, tree.key_file, dead)
        except BaseException:
            self._touched[workspace] |= touched
            raise

    async def sweep(self, workspace: str) -> None:
        """Overwrites every slot and key file that no row names, whoever left it.

        Raises KeyLost, and destroys nothing, when a slot that a row names does not open: then the database is
        not the one that belongs to the key files.
        """
        async with self.engine.begin() as connection:
            await store.lock_exclusively(connection, workspace)
            # Listed before the row is read: if the lock had been lost meanwhile, reading would fail.
            names = self.files(workspace).names()
            tree = await self.load(connection, workspace)
            days = await store.day_slots(connection, workspace)
            await asyncio.to_thread(_check, tree, days)
            end = await store.next_slot(connection, workspace)
        dead = set(range(end)) - tree.slots() - set(days.values())
        await asyncio.to_thread(tree.files.wipe, tree.key_file, dead)
        for name in names - {tree.key_file}:
            await asyncio.to_thread(tree.files.destroy, name)

    async def ensure(self, workspace: str, partition: int, suite: Suite) -> None:
        """Creates the workspace with its keys unless it exists. Raises KeyLost when only its files do."""
        async with self.engine.begin() as connection:
            await store.lock_exclusively(connection, workspace)
            if await store.workspace(connection, workspace) is None:
                files = self.files(workspace)
                await asyncio.to_thread(files.begin_creation)
                row, buckets = await asyncio.to_thread(_create, files, workspace, partition, suite, self.clock)
                await store.add_workspace(connection, row, len(buckets) + 1)
                await store.put_buckets(connection, workspace, buckets)
        await asyncio.to_thread(self.files(workspace).end_creation)


@dataclass(frozen=True)
class KeyChange:
    """A change of keys under way: the lock is held, `tree` is the present one. The caller commits."""

    ring: Keyring
    connection: AsyncConnection
    spare: AsyncConnection
    tree: KeyTree

    async def write(self, keys: Sequence[tuple[bytes, bytes]]) -> range:
        """Puts (owner, key) pairs into slots that were never used, one each; they are on disk on return."""
        async with self.spare.begin():
            slots = await store.take_slots(self.spare, self.tree.workspace, len(keys))
        self.ring.touch(self.tree, slots)
        contents = {slot: self.tree.seal_slot(key, owner) for slot, (owner, key) in zip(slots, keys, strict=True)}
        await asyncio.to_thread(self.tree.files.write, self.tree.key_file, contents)
        return slots

    def retire(self, slots: Iterable[int]) -> None:
        """Once committed, these slots are to be overwritten."""
        self.ring.touch(self.tree, slots)


def _create(
    files: KeyFiles, workspace: str, partition: int, suite: Suite, clock: Clock
) -> tuple[store.Workspace, list[Bucket]]:
    kek = suite.new_key()
    buckets = [Bucket(family, 0, slot, 0) for slot, family in enumerate(FAMILIES, 1)]
    sealer = suite.sealer(kek)
    contents = {0: seal_slot(sealer, suite, workspace, ROOT_OWNER, os.urandom(ROOT_BYTES))}
    for bucket in buckets:
        contents[bucket.slot] = seal_slot(sealer, suite, workspace, bucket_owner(bucket), suite.new_key())
    name = files.create(kek, contents)
    return store.Workspace(workspace, partition, suite.name, 0, name, 0, clock.now()), buckets


def _check(tree: KeyTree, days: Mapping[str, int]) -> None:
    """Raises KeyLost unless every slot that a row names opens."""
    try:
        for directory in tree.directories.values():
            for bucket in directory.buckets:
                tree.open_slot(bucket.slot, bucket_owner(bucket))
        for day, slot in days.items():
            tree.open_slot(slot, day_owner(day))
    except Stale as error:
        raise KeyLost(f"{error}: the vault's database and its key files are not of the same time") from error
