"""Replay: the rebuilt state replaces the live one while a consumer runs, and nothing is applied twice or lost."""

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common import digest
from libs.common.contracts.events import EVENTS, Batch, Tally
from libs.common.db import open_engine
from libs.common.eventlog.memory import MemoryLog
from libs.common.projection import ProjectionConsumer
from libs.common.replay import Rebuild, replay
from services.ingest.projection import IngestProjection
from services.ingest.tables import metadata
from tests.postgres import PostgresServer

BATCH = EVENTS.encode(Batch("w", 0, "intl-v1", ["src"], [], [], [], [Tally(0, 1, 1, 0, 0, 0)]))


def consumer_of(log: MemoryLog, engine: AsyncEngine) -> ProjectionConsumer:
    return ProjectionConsumer(log, "EVENTS_0", 0, engine, IngestProjection(0), EVENTS)


async def counted(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int(await connection.scalar(text("SELECT coalesce(sum(received), 0) FROM accounting")) or 0)


async def digest_of(connection: AsyncConnection) -> str:
    return await digest.digest(connection, metadata)


async def until_somebody_waits_for_a_lock(engine: AsyncEngine) -> None:
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    async with asyncio.timeout(20), engine.connect() as connection:
        while not await connection.scalar(waiting):
            await connection.rollback()  # the statistics are those of the transaction's start


async def test_a_consumer_that_waits_during_the_swap_goes_on_in_the_new_tables(postgres: PostgresServer) -> None:
    url, log = await postgres.fresh("ingest", "ingest"), MemoryLog()
    async with open_engine(url, "ingest") as engine:
        for _ in range(5):
            await log.append("EVENTS_0", BATCH)
        await consumer_of(log, engine).catch_up()
        live = consumer_of(log, engine)
        running = asyncio.create_task(live.run())

        async def digest_while_an_entry_comes(connection: AsyncConnection) -> str:
            if await log.end("EVENTS_0") == 5:
                await log.append("EVENTS_0", BATCH)
                await until_somebody_waits_for_a_lock(engine)
            return await digest_of(connection)

        def rebuilds(shadow: AsyncEngine) -> Sequence[Rebuild]:
            return [consumer_of(log, shadow)]

        done = await replay(url, "ingest", rebuilds, digest_while_an_entry_comes)
        assert done.before == done.after
        await log.append("EVENTS_0", BATCH)
        async with asyncio.timeout(20):
            while live.progress.position < 7:
                assert not running.done()
                await asyncio.sleep(0)
        running.cancel()
        assert await counted(engine) == 7


async def test_a_replay_mends_state_that_the_log_does_not_say(postgres: PostgresServer) -> None:
    url, log = await postgres.fresh("ingest", "ingest"), MemoryLog()
    async with open_engine(url, "ingest") as engine:
        await log.append("EVENTS_0", BATCH)
        await consumer_of(log, engine).catch_up()
        async with engine.begin() as connection:
            await connection.execute(text("UPDATE accounting SET received = 7"))
        done = await replay(url, "ingest", lambda shadow: [consumer_of(log, shadow)], digest_of)
        assert done.before != done.after
        assert await counted(engine) == 1
        with pytest.raises(Exception, match="does not exist"):
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1 FROM ingest_replaced.positions"))
