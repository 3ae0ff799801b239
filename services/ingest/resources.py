"""What the front door has open, and how its parts are put together."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, cast

from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.clock import Clock, SystemClock
from libs.common.errors import Unavailable
from libs.common.eventlog.base import EventLog, events_stream
from libs.common.resources import Opened, open_resources
from libs.common.vault_client import VaultClient
from libs.common.worker import GC_THRESHOLDS
from services.ingest import store
from services.ingest.commit import Bounds, Committer
from services.ingest.doors.segment import Limits
from services.ingest.pipeline import Pipeline, Source, Vault
from services.ingest.reading import Room
from services.ingest.registry import SourceCache
from services.ingest.settings import IngestSettings


@dataclass
class Ingest:
    """One process of the front door, for one workspace."""

    settings: IngestSettings
    engine: AsyncEngine
    log: EventLog
    vault: Vault
    clock: Clock
    check: Callable[[], Awaitable[dict[str, Any]]]
    sources: SourceCache = field(init=False)
    room: Room = field(init=False)
    limits: Limits = field(init=False)
    tails: asyncio.Semaphore = field(init=False)
    _pipeline: Pipeline | None = None
    _committing: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        self.sources = SourceCache(self._load_source, self.clock, self.settings.ingest_source_cache_seconds)
        self.room = Room(self.settings.ingest_reading_bytes)
        self.limits = Limits(self.settings.ingest_event_bytes, self.settings.ingest_batch_events)
        self.tails = asyncio.Semaphore(self.settings.ingest_tails)

    async def ready(self) -> dict[str, Any]:
        """Raises Unavailable when the database, the log or the vault is away."""
        if self._committing is not None and self._committing.done():
            raise Unavailable("the group commit has stopped; restart this process")
        report = await self.check()
        workspace = await self.vault.workspace()
        return {**report, "workspace": workspace.workspace, "partition": workspace.partition}

    async def pipeline(self) -> Pipeline:
        """The pipeline; the first call needs the vault, which says where the workspace lives. Raises Unavailable."""
        if self._pipeline is None:
            workspace = await self.vault.workspace()
            if self._pipeline is None:  # another request may have been faster
                self._pipeline = self._start(workspace.partition, workspace.suite)
        return self._pipeline

    async def stream(self) -> str:
        """The stream of the workspace's events. Raises Unavailable."""
        return events_stream((await self.vault.workspace()).partition)

    async def close(self) -> None:
        """Stops the group commit; whoever waits is told that nothing was stored."""
        if self._committing is not None:
            self._committing.cancel()
            with suppress(asyncio.CancelledError):
                await self._committing

    def _start(self, partition: int, suite: str) -> Pipeline:
        settings = self.settings
        bounds = Bounds(
            settings.ingest_queue_events,
            settings.ingest_queue_bytes,
            settings.ingest_window_ms / 1000,
            settings.ingest_append_seconds,
        )
        stream = events_stream(partition)
        committer = Committer(self.log, stream, settings.workspace, suite, self.clock, bounds)
        self._committing = asyncio.create_task(committer.run())
        return Pipeline(self.vault, committer, self.clock)

    async def _load_source(self, key_hash: bytes) -> Source | None:
        try:
            async with self.engine.connect() as connection:
                row = await store.live_source(connection, self.settings.workspace, key_hash)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise Unavailable(f"the list of sources is away ({type(error).__name__})") from error
        return Source(row["source"], row["channel"]) if row else None


async def open_ingest(stack: AsyncExitStack) -> Ingest:
    """Opens the database, the log and the vault's client, on the lifespan's stack."""
    settings = IngestSettings()
    gc.set_threshold(*GC_THRESHOLDS)  # a batch is thousands of objects that live for milliseconds
    opened: Opened = await open_resources(stack, settings, "ingest", "ingest")
    clock = SystemClock()
    vault = VaultClient(opened.nats, settings.workspace, clock)
    ingest = Ingest(settings, opened.engine, opened.log, vault, clock, opened.ready)
    stack.push_async_callback(ingest.close)
    return ingest


def resources(request: Request) -> Ingest:
    """What the process has open."""
    return cast(Ingest, request.app.state.resources)
