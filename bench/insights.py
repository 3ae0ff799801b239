"""What the history costs: insert rate through the whole projection, and the questions on a large history.

    python -m bench.insights [--events 200000] [--rows 1000000]

Log in memory, vault a dictionary, PostgreSQL durable as `wanliu up` sets it, chDB in a directory. First the projection
(decrypt, insert, fsync, commit) at two entry sizes; then `rows` rows are multiplied inside ClickHouse, so that the
questions run on a history of a real size, every one as the API asks it.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import uvloop
from clickhouse_connect.driver.client import Client
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.identity import Server, server
from bench.profile import START, History, Keys
from libs.common import migrate
from libs.common.clock import DAY
from libs.common.contracts.stitched import STITCHED
from libs.common.db import driver_connection, open_engine
from libs.common.eventlog.base import stitched_stream
from libs.common.eventlog.memory import MemoryLog
from libs.common.projection import ProjectionConsumer
from services.insights import queries, store
from services.insights.engine import Engine
from services.insights.engine import open_engine as open_history
from services.insights.projection import InsightsProjection
from services.insights.queries import Scope

REPEATS = 5


async def fold(database: AsyncEngine, engine: Engine, customers: int, events: int) -> None:
    """Prints what an event cost at two entry sizes."""
    keys, log, dice = Keys(), MemoryLog(), random.Random(3)
    history = History(keys)
    consumer = ProjectionConsumer(log, stitched_stream(0), 0, database, InsightsProjection(engine, keys, 0), STITCHED)
    for size in (500, 50):
        count = events if size == 500 else events // 5
        for entry in history.entries([dice.randrange(customers) for _ in range(count)], size):
            await log.append(stitched_stream(0), entry)
        before, start = time.process_time(), time.perf_counter()
        await consumer.catch_up()
        wall, used = time.perf_counter() - start, time.process_time() - before
        print(
            f"{size:>4}/entry  {count / wall:>8,.0f} events/s   {used * 1e6 / count:>5.1f} us CPU an event", flush=True
        )


async def enlarge(database: AsyncEngine, engine: Engine, rows: int) -> Scope:
    """Repeats what is stored until there are `rows`; the copies are a day apart."""
    async with database.connect() as connection:
        standing = await store.standing(await driver_connection(connection))
    assert standing is not None
    name = standing.generation

    def multiply(client: Client) -> int:
        stored = int(client.query(f"SELECT count() FROM {name}.events").result_rows[0][0])  # noqa: S608 - ours
        copies = max(rows // stored - 1, 0)
        client.command(
            f"INSERT INTO {name}.events SELECT * EXCEPT (number) REPLACE (at + number * {DAY} AS at, "  # noqa: S608 - ours
            f"position + number * 1000000 AS position) FROM {name}.events, "
            f"(SELECT number FROM numbers(1, {copies})) AS copies"
        )
        return stored * (copies + 1)

    found = await engine.write(multiply)
    print(f"{found:,} rows", flush=True)
    return Scope(name, 0, standing.positions[0], "w", "Asia/Shanghai", START - DAY, START + 400 * DAY)


async def ask(name: str, engine: Engine, question: Callable[[Client], object]) -> None:
    """Prints the best and the worst of a few askings."""
    took = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        await engine.read(question)
        took.append(time.perf_counter() - start)
    print(f"{name:<28} {min(took) * 1000:>7.0f} ms  (worst {max(took) * 1000:.0f})", flush=True)


async def run(events: int, rows: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with (
            server() as pg,
            open_engine(await _tables(pg), "insights") as database,
            open_history(Path(directory)) as engine,
        ):
            await fold(database, engine, events // 10, events)
            scope = await enlarge(database, engine, rows)
            await ask("channels by day", engine, lambda client: queries.channels(client, scope, True))
            await ask("total", engine, lambda client: queries.total(client, scope))
            await ask("last touch, 30 days", engine, lambda client: queries.last_touch(client, scope, 30 * DAY))


async def _tables(pg: Server) -> str:
    url = make_url(pg.url)
    connection = await asyncpg.connect(
        host=url.host, port=url.port, user=url.username, password=url.password, database=url.database
    )
    await connection.execute("CREATE SCHEMA insights")
    await connection.close()
    await migrate.upgrade(pg.url, "insights", "insights")
    return pg.url


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(given.events, given.rows))


if __name__ == "__main__":
    main()
