"""Buckets split before they get large, so that forgetting one row never means sealing many thousands again."""

import structlog

from services.privacy.rekey import split
from services.privacy.vault import Vault


async def grow(vault: Vault) -> None:
    """Looks after crowded buckets until cancelled. A failure leaves a bucket large, which harms nobody."""
    log = structlog.get_logger()
    while True:
        workspace, family, start = await vault.crowded.get()
        try:
            await split_when_full(vault, workspace, family, start)
        except Exception as error:
            log.warning("a bucket could not be split", family=family, error=type(error).__name__)
        finally:
            vault.crowded.task_done()


async def split_when_full(vault: Vault, workspace: str, family: str, start: int) -> bool:
    """Splits the bucket that covers `start` if it holds too many rows; whether it did."""
    async with vault.ring.changing(workspace) as change:
        return await split(change, change.tree.directories[family].covering(start), vault.bucket_rows)
