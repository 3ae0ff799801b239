"""A fresh key-encryption key: what a file system, a disk or a backup kept of old slots dies with the old one."""

import asyncio

from libs.common.clock import DAY
from services.privacy import store
from services.privacy.buckets import Bucket
from services.privacy.keyring import KeyChange, Keyring
from services.privacy.keytree import ROOT_OWNER, bucket_owner, day_owner, seal_slot

ROTATE_AFTER = 29 * DAY


async def rotate(ring: Keyring, workspace: str) -> None:
    """Seals every slot anew under a fresh KEK, in a new pair of files, and destroys the old pair.

    Bucket keys stay, so no row changes; nor does a pseudonym or an event id. Killed anywhere, either pair is
    in force and the next sweep destroys the other.
    """
    async with ring.changing(workspace) as change:
        await _rotate(change)
    await ring.sweep(workspace)


async def _rotate(change: KeyChange) -> None:
    tree, connection, workspace = change.tree, change.connection, change.tree.workspace
    row = await store.workspace(connection, workspace)
    assert row is not None  # noqa: S101 - the tree was loaded from it
    epoch, kek = tree.epoch + 1, tree.suite.new_key()
    root = tree.open_slot(tree.root_slot, ROOT_OWNER)
    keys: list[tuple[bytes, bytes]] = [(ROOT_OWNER, root)]
    buckets: list[Bucket] = []
    for directory in tree.directories.values():
        for bucket in directory.buckets:
            moved = bucket._replace(slot=len(keys), epoch=epoch)
            buckets.append(moved)
            keys.append((bucket_owner(moved), tree.open_slot(bucket.slot, bucket_owner(bucket))))
    days: dict[str, int] = {}
    for day, slot in (await store.day_slots(connection, workspace)).items():
        days[day] = len(keys)
        keys.append((day_owner(day), tree.open_slot(slot, day_owner(day))))

    sealer = tree.suite.sealer(kek)
    contents = {slot: seal_slot(sealer, tree.suite, workspace, owner, key) for slot, (owner, key) in enumerate(keys)}
    name = await asyncio.to_thread(tree.files.create, kek, contents)
    await store.put_buckets(connection, workspace, buckets)
    await store.put_days(connection, workspace, days)
    in_force = row._replace(epoch=epoch, key_file=name, root_slot=0, rotated_at=change.ring.clock.now())
    await store.rotated(connection, in_force, len(keys))
