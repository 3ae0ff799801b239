"""New keys for buckets: the one operation behind forgetting and growing.

Every row that stays is sealed again under the new key of its bucket, or of the part of it that it falls into;
what was dropped is not. When the old slot is overwritten, every old copy of every row is noise.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from services.privacy import rows, store
from services.privacy.buckets import IDENTIFIERS, Bucket
from services.privacy.keyring import KeyChange
from services.privacy.keytree import KeyTree, bucket_owner
from services.privacy.rows import BindingRow, IdentifierRow


async def rekey(change: KeyChange, plan: Mapping[Bucket, Sequence[int]]) -> None:
    """Gives each bucket of `plan` a fresh key, split into parts that begin at the given points.

    Rows to be forgotten have been deleted before, in the same transaction.
    """
    old, connection, workspace = change.tree, change.connection, change.tree.workspace
    if not plan:
        return
    new = await _fresh(change, plan)
    for bucket, parts in plan.items():
        if bucket.family == IDENTIFIERS:
            found = await rows.identifiers_in(connection, workspace, bucket.start)
            await rows.rewrap_identifiers(connection, workspace, list(_identifiers(old, new, bucket, parts, found)))
        else:
            stored = await rows.bindings_in(connection, workspace, bucket.start)
            moved = list(_bindings(old, new, bucket, stored))
            await rows.rewrap_bindings(connection, workspace, bucket.start, moved)
    await store.set_epoch(connection, workspace, new.epoch)
    change.retire(bucket.slot for bucket in plan)


async def _fresh(change: KeyChange, plan: Mapping[Bucket, Sequence[int]]) -> KeyTree:
    """The tree with fresh keys, which are on disk, and named by the transaction."""
    tree, epoch = change.tree, change.tree.epoch + 1
    parts = [Bucket(bucket.family, start, -1, epoch) for bucket, starts in plan.items() for start in starts]
    slots = await change.write([(bucket_owner(part), tree.suite.new_key()) for part in parts])
    placed = [part._replace(slot=slot) for part, slot in zip(parts, slots, strict=True)]
    await store.put_buckets(change.connection, tree.workspace, placed)
    return tree.grown(epoch, placed, tree.suppresses)


def _identifiers(
    old: KeyTree, new: KeyTree, bucket: Bucket, parts: Sequence[int], found: Iterable[IdentifierRow]
) -> Iterator[IdentifierRow]:
    whole = new.bucket_at(IDENTIFIERS, bucket.start) if len(parts) == 1 else None
    for row in found:
        value = old.open_row(bucket, row.pseudonym, row.sealed)
        text = value.decode()
        target = whole or new.identifier_bucket(row.kind, text)
        lookup = new.key(target).lookup(row.kind, text)
        sealed = new.seal_row(target, row.pseudonym, value)
        yield IdentifierRow(row.pseudonym, row.kind, target.start, lookup, sealed)


def _bindings(old: KeyTree, new: KeyTree, bucket: Bucket, found: Iterable[BindingRow]) -> Iterator[BindingRow]:
    for row in found:
        target = new.binding_bucket(row.binding)
        key = old.open_row(bucket, row.binding, row.sealed)
        yield BindingRow(row.binding, target.start, new.seal_row(target, row.binding, key))


def open_identifier(tree: KeyTree, row: IdentifierRow) -> str:
    """The value behind a row. Raises Stale."""
    return tree.open_row(tree.bucket_at(IDENTIFIERS, row.bucket), row.pseudonym, row.sealed).decode()


async def split(change: KeyChange, bucket: Bucket, limit: int) -> bool:
    """Splits a bucket that holds more than `limit` rows; whether it did."""
    directory = change.tree.directories[bucket.family]
    count = await rows.count_rows(change.connection, change.tree.workspace, bucket.family, bucket.start)
    if count <= limit:
        return False
    await rekey(change, {bucket: directory.parts(bucket.start)})
    return True
