"""The projection `profile`: STITCHED in, fragments and timelines out, in the caller's transaction."""

from collections.abc import Sequence

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.contracts.stitched import StitchedEntry
from libs.common.db import driver_connection
from services.profile import store
from services.profile.folding import Known, fold
from services.profile.gathering import Change, gather
from services.profile.vault import Keys


class ProfileProjection:
    """Keeps one partition's profiles. A vault that is away is waited for; what does not fit stops it."""

    name = "profile"

    def __init__(self, vault: Keys, partition: int) -> None:
        self._vault, self._partition = vault, partition

    async def apply(self, connection: AsyncConnection, entries: Sequence[tuple[int, StitchedEntry]]) -> None:
        """See Projection. Folds per binding first, whatever the number of entries."""
        driver = await driver_connection(connection)
        await store.prepare(driver)
        change = gather(entries)
        known = await self._known(driver, change)
        keys = await self._vault.keys(sorted(change.events)) if change.events else {}
        await store.write(driver, change, fold(change.events, known, keys), self._partition)

    async def _known(self, driver: asyncpg.Connection, change: Change) -> dict[bytes, Known]:
        new = {key: Known(each.workspace, each.suite, None) for key, each in change.joined.items()}
        return new | await store.load(driver, sorted(change.events.keys() - new.keys()))
