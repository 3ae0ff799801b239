"""The state as one hash, whether what is stored is what is accounted for, and rebuilding it from the log.

chDB has one owner, so all of this runs in the serving process; the `wanliu` command asks it to.
"""

import hashlib
from collections.abc import Sequence

from clickhouse_connect.driver.client import Client
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common import confirming, digest
from libs.common.contracts.stitched import STITCHED
from libs.common.db import driver_connection
from libs.common.eventlog.base import EventLog, stitched_stream
from libs.common.projection import ProjectionConsumer
from libs.common.replay import Replayed, replay
from services.insights import history, store
from services.insights.engine import Engine
from services.insights.projection import InsightsProjection, Keys
from services.insights.rows import InsightsFault
from services.insights.tables import metadata

NOT_STATE = frozenset({"generation", "erasures", *confirming.KEPT})
NOTHING = "nothing"

_EVENTS = """
SELECT * FROM {database}.events WHERE partition = {partition:d} AND entry <= {position:d} AND binding NOT IN (
    SELECT binding FROM {database}.links WHERE erased AND partition = {partition:d} AND entry <= {position:d}
) ORDER BY position, idx FORMAT RowBinary
"""
_LINKS = """
SELECT binding, argMax(customer, (entry, seq)), argMax(erased, (entry, seq)) AS gone FROM {database}.links
WHERE partition = {partition:d} AND entry <= {position:d} GROUP BY binding HAVING NOT gone ORDER BY binding
FORMAT RowBinary
"""


async def state_digest(engine: Engine, connection: AsyncConnection) -> str:
    """SHA-256, hex, over accounts, rows and links, as of the position that `connection` sees."""
    total = hashlib.sha256((await digest.digest(connection, metadata, leave_out=NOT_STATE)).encode())
    standing = await store.standing(await driver_connection(connection))
    if standing is None:
        return total.hexdigest()
    if standing.generation not in await engine.tend(history.databases):
        return NOTHING
    await engine.tend(lambda client: _hash(client, standing, total))
    return total.hexdigest()


def _hash(client: Client, standing: store.Standing, total: "hashlib._Hash") -> None:
    for partition, position in standing.positions.items():
        for query in (_EVENTS, _LINKS):
            total.update(f"\0{partition}\0".encode())
            text = query.format(database=standing.generation, partition=partition, position=position)
            with client.raw_stream(text) as stream:
                while chunk := stream.read(1 << 20):
                    total.update(chunk)


async def require_whole(engine: Engine, database: AsyncEngine) -> None:
    """Raises InsightsFault unless the history holds exactly the events that are accounted for."""
    async with database.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        driver = await driver_connection(connection)
        standing, stored = await store.standing(driver), await store.stored_in_all(driver)
    if standing is None:
        return
    known = await engine.tend(history.databases)
    found = 0
    if standing.generation in known:
        found = await engine.tend(lambda client: history.living(client, standing.generation, standing.positions))
    if found != stored:
        raise InsightsFault(
            f"the history holds {found} events, but {stored} are accounted for: it was lost, or restored from another "
            "copy than the database. `wanliu replay insights` rebuilds it from the log"
        )


async def clear(engine: Engine, database: AsyncEngine) -> None:
    """Drops generations that are not the live one: what replays that died have left."""
    async with database.connect() as connection:
        standing = await store.standing(await driver_connection(connection))
    for name in await engine.tend(history.databases):
        if standing is None or name != standing.generation:
            await engine.tend(lambda client, name=name: history.drop(client, name))  # type: ignore[misc]


async def rebuild(
    engine: Engine, database: AsyncEngine, url: str, log: EventLog, vault: Keys, partitions: int
) -> Replayed:
    """Rebuilds tables and history from the log beside the live ones, swaps them in, drops the old ones."""

    def consumers(shadow: AsyncEngine) -> Sequence[ProjectionConsumer]:
        return [
            ProjectionConsumer(
                log, stitched_stream(number), number, shadow, InsightsProjection(engine, vault, number), STITCHED
            )
            for number in range(partitions)
        ]

    async def hashed(connection: AsyncConnection) -> str:
        return await state_digest(engine, connection)

    done = await replay(url, "insights", consumers, hashed, confirming.KEPT)
    await clear(engine, database)
    return done
