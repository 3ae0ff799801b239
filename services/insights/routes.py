"""Channel performance over HTTP: sums, never a person."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from libs.common.db import driver_connection
from libs.common.errors import Conflict
from services.insights import checking, reading, store
from services.insights.asking import Asked, Reader, Writer, same_workspace
from services.insights.resources import resources
from services.insights.schemas import Accounting, Attribution, Channels, Digest, Rebuilt, SourceAccount

router = APIRouter(prefix="/v1", tags=["insights"])


@router.get("/channels")
async def channels(asked: Asked, by: Literal["day", "total"] = "day") -> Channels:
    """Events, distinct customers, orders and revenue by channel, and by day if wanted."""
    return await reading.channels(asked, by == "day")


@router.get("/attribution")
async def attribution(
    asked: Asked,
    model: Literal["last_touch"] = "last_touch",
    window_days: Annotated[int, Query(ge=1, le=365, description="how long a touch counts")] = 30,
) -> Attribution:
    """Revenue of the orders in the span by what the customer touched last before each."""
    return await reading.last_touch(asked, window_days)


@router.get("/accounting")
async def accounting(request: Request, caller: Reader) -> Accounting:
    """Events stored and erased per source: insights' side of `wanliu reconcile`. Concerns no person."""
    opened = resources(request)
    same_workspace(opened, caller)
    async with opened.database.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        driver = await driver_connection(connection)
        standing, rows = await store.standing(driver), await store.accounts(driver, caller.workspace)
    sources = [SourceAccount(source=source, stored=stored, erased=erased) for source, stored, erased in rows]
    return Accounting(positions=standing.positions if standing else {}, sources=sources)


@router.get("/digest")
async def digest(request: Request, caller: Reader) -> Digest:
    """The canonical hash of the state: the same log gives the same."""
    opened = resources(request)
    same_workspace(opened, caller)
    async with opened.database.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        return Digest(digest=await checking.state_digest(opened.engine, connection))


@router.post("/replay")
async def replay(request: Request, caller: Writer) -> Rebuilt:
    """Rebuilds everything from the log beside the live state and swaps. One at a time."""
    opened = resources(request)
    same_workspace(opened, caller)
    if opened.replaying.locked():
        raise Conflict("a replay is running: wait for it")
    async with opened.replaying:
        done = await opened.replay()
    return Rebuilt(before=done.before, after=done.after)
