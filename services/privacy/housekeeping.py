"""What the vault does because time passes: old day keys and KEKs go, left-over slots are overwritten."""

import asyncio

import structlog

from services.privacy import store
from services.privacy.keyring import Keyring
from services.privacy.rotation import ROTATE_AFTER, rotate
from services.privacy.vault import first_kept_day

INTERVAL_SECONDS = 3600.0


async def keep_house(ring: Keyring) -> None:
    """Every hour until cancelled. What fails is logged and tried again an hour later."""
    while True:
        try:
            await clean(ring)
        except Exception:
            structlog.get_logger().exception("housekeeping failed")
        await asyncio.sleep(INTERVAL_SECONDS)


async def clean(ring: Keyring) -> None:
    """Does what is due, in every workspace."""
    async with ring.engine.connect() as connection:
        names = await store.workspaces(connection)
    for workspace in names:
        await destroy_old_days(ring, workspace)
        if await _is_due(ring, workspace):
            await rotate(ring, workspace)
        else:
            await ring.sweep(workspace)


async def destroy_old_days(ring: Keyring, workspace: str) -> None:
    """Overwrites the keys of days whose rejects are past their time."""
    async with ring.changing(workspace) as change:
        slots = await store.delete_days(change.connection, workspace, first_kept_day(ring.clock.now()))
        if slots:
            change.retire(slots)
            await store.set_epoch(change.connection, workspace, change.tree.epoch + 1)


async def _is_due(ring: Keyring, workspace: str) -> bool:
    async with ring.engine.connect() as connection:
        row = await store.workspace(connection, workspace)
    return row is not None and ring.clock.now() - row.rotated_at >= ROTATE_AFTER
