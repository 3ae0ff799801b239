"""Creating and deleting sources: facts in the log first, then wait until our own projection shows them."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any, NamedTuple

from sqlalchemy import RowMapping

from libs.common.contracts.events import EVENTS, SourceCreated, SourceDeleted
from libs.common.errors import Conflict, NotFound, Unavailable
from libs.common.eventlog.base import LogError
from libs.common.ids import new_id
from libs.common.positions import read_position
from services.ingest import projection, store
from services.ingest.registry import new_write_key
from services.ingest.resources import Ingest

SOURCE_PREFIX = "src_"
_WAIT_SECONDS, _LOOK_SECONDS = 10.0, 0.02


class Created(NamedTuple):
    """A new source, its only copy of the key, and whether the projection shows it already."""

    entry: SourceCreated
    write_key: str
    ready: bool


async def create(ingest: Ingest, name: str, channel: str) -> Created:
    """A source is durable when this returns. Raises Unavailable when the log is away."""
    key = new_write_key()
    entry = SourceCreated(
        ingest.settings.workspace, ingest.clock.now(), SOURCE_PREFIX + new_id(), name, channel, key.hash
    )
    position = await _append(ingest, entry)
    ready = await _applied(ingest, position)
    ingest.sources.forget()
    return Created(entry, key.text, ready)


async def delete(ingest: Ingest, source: str) -> None:
    """The write key is dead within the cache's life in every process. Raises NotFound, Unavailable."""
    found = await resolve(ingest, source)
    if found["deleted_at"] is not None:
        return
    entry = SourceDeleted(ingest.settings.workspace, ingest.clock.now(), found["source"])
    await _applied(ingest, await _append(ingest, entry))
    ingest.sources.forget()


async def everything(ingest: Ingest) -> Sequence[RowMapping]:
    """All sources, oldest first."""
    async with ingest.engine.connect() as connection:
        return await store.list_sources(connection, ingest.settings.workspace)


async def resolve(ingest: Ingest, name: str) -> RowMapping:
    """The source of this id or, when only one live source has it, of this name. Raises NotFound, Conflict."""
    async with ingest.engine.connect() as connection:
        found = await store.named_sources(connection, ingest.settings.workspace, name)
    if not found:
        raise NotFound(f"there is no source {name!r}; GET /v1/sources lists them")
    if len(found) > 1:
        raise Conflict(f"several sources are named {name!r}: say which of {[row['source'] for row in found]}")
    return found[0]


async def _append(ingest: Ingest, entry: Any) -> int:
    try:
        return await ingest.log.append(await ingest.stream(), EVENTS.encode(entry), message_id=new_id())
    except LogError as error:
        raise Unavailable(f"the log did not take it: {error}") from error


async def _applied(ingest: Ingest, position: int) -> bool:
    """Waits for our projection to reach a position, but not for ever."""
    partition = (await ingest.vault.workspace()).partition
    deadline = monotonic() + _WAIT_SECONDS
    while monotonic() < deadline:
        async with ingest.engine.connect() as connection:
            if (await read_position(connection, projection.NAME, partition)).position >= position:
                return True
        await asyncio.sleep(_LOOK_SECONDS)
    return False
