"""The projection `insights`: STITCHED in, history out.

ClickHouse takes no part in PostgreSQL's transaction, and an insert is not even one step (m: 4 of 14 kills left half
an entry). So rows carry their position in STITCHED, the position is committed after them, and nobody reads beyond
it. What is found beyond it was written by somebody who died: it is taken back before it is written again.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

import asyncpg
from clickhouse_connect.driver.client import Client
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.contracts.stitched import StitchedEntry
from libs.common.db import driver_connection
from libs.common.projection import BATCH_ENTRIES
from libs.common.vault_client import HeldKey
from services.insights import history, store
from services.insights.engine import Engine
from services.insights.rows import Change, InsightsFault, Opened, follow_ended, gather, open_rows

NAME = "insights"


class Keys(Protocol):
    """All that is needed of the vault. Two implementations stand: over NATS and in tests."""

    async def keys(self, bindings: Sequence[bytes]) -> dict[bytes, HeldKey]:
        """The data key of each binding, or the word that it is erased or unknown. Raises errors.Unavailable."""
        ...


class InsightsProjection:
    """Keeps one partition's history. A vault that is away is waited for; what does not fit stops it."""

    name = NAME

    def __init__(self, engine: Engine, vault: Keys, partition: int) -> None:
        self._engine, self._vault, self._partition = engine, vault, partition
        self._written: tuple[str, int] | None = None
        """Generation and position up to which we know that nothing lies beyond."""
        self.behind = False
        """Whether the last batch was full: there is more to do than to rest."""

    async def apply(self, connection: AsyncConnection, entries: Sequence[tuple[int, StitchedEntry]]) -> None:
        """See Projection."""
        driver = await driver_connection(connection)
        generation = await store.generation(driver)
        before, last = entries[0][0] - 1, entries[-1][0]
        self.behind = len(entries) >= BATCH_ENTRIES
        await self._prepare(driver, generation, before)
        change = gather(self._partition, entries)
        for ended in change.ended:
            follow_ended(change, self._partition, ended, await self._bindings_of(generation, before, ended.loser))
        keys = await self._vault.keys(change.bindings) if change.arrived else {}
        opened = open_rows(self._partition, change, keys)
        gone = await self._count_erased(generation, change, before)
        self._written = None
        if opened.rows or change.links:
            await self._engine.write(lambda client: history.insert(client, generation, opened.rows, change.links))
        self._written = (generation, last)
        await self._book(driver, change, opened, gone)

    async def _prepare(self, driver: asyncpg.Connection, generation: str, before: int) -> None:
        if self._written == (generation, before):
            return
        if before > 0:
            await self._must_exist(generation)

        def prepare(client: Client) -> None:
            history.create(client, generation)
            history.take_back(client, generation, self._partition, before)

        await self._engine.write(prepare)

    async def _must_exist(self, generation: str) -> None:
        if generation not in await self._engine.write(history.databases):
            raise InsightsFault(
                f"the history {generation} is not in this directory: it was lost or is another one. "
                "`wanliu replay insights` rebuilds it from the log"
            )

    async def _count_erased(self, generation: str, change: Change, before: int) -> list[dict[tuple[str, str], int]]:
        """Per erasure, in order, what was stored of it; a binding that two erasures name counts once."""
        counted, seen = [], set[bytes]()
        for _, _, erased in change.erased:
            fresh = [binding for binding in erased.bindings if binding not in seen]
            seen.update(fresh)
            counted.append(await self._count(generation, before + 1, fresh) if fresh else {})
        return counted

    async def _bindings_of(self, generation: str, before: int, customer: bytes) -> list[bytes]:
        return await self._engine.write(
            lambda client: history.bindings_of(client, generation, self._partition, before + 1, customer)
        )

    async def _count(self, generation: str, before: int, bindings: list[bytes]) -> dict[tuple[str, str], int]:
        return await self._engine.write(
            lambda client: history.count_by_source(client, generation, self._partition, before, bindings)
        )

    async def _book(
        self, driver: asyncpg.Connection, change: Change, opened: Opened, gone: Sequence[dict[tuple[str, str], int]]
    ) -> None:
        stored = Counter((row.workspace, row.source) for row in opened.rows)
        erased = Counter(opened.erased)
        for (entry, workspace, fact), counts in zip(change.erased, gone, strict=True):
            stored.subtract(counts)
            erased.update(counts)
            waiting = store.Pending(
                self._partition, entry, fact.request, workspace, fact.bindings, sum(counts.values())
            )
            await store.remember(driver, waiting)
        await store.book(driver, stored, erased)
