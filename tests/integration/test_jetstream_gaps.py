"""A reader that never skips: cut connections, lost consumers and true holes."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from nats.aio.client import Client

from libs.common.eventlog.base import LogGap, LogUnavailable
from libs.common.eventlog.jetstream import JetStreamLog, connect
from tests.proxy import Proxy

_partitions = itertools.count(500)


@asynccontextmanager
async def log_on(url: str) -> AsyncIterator[tuple[Client, JetStreamLog]]:
    async with connect(url, "gaps") as client:
        yield client, JetStreamLog(client, timeout=2.0)


async def filled(log: JetStreamLog, n: int, padding: int = 0) -> str:
    stream = f"EVENTS_{next(_partitions)}"
    await log.ensure(stream)
    for number in range(n):
        await log.append(stream, b"%d" % number + b"." * padding)
    return stream


async def test_a_deleted_entry_in_the_middle_stops_the_reader(nats_url: str) -> None:
    async with log_on(nats_url) as (client, log):
        stream = await filled(log, 6)
        await client.jsm().delete_msg(stream, 4)
        async with log.read(stream, 0) as reader:
            assert [entry.position for entry in await reader.next(max_entries=3, max_bytes=999, wait=5)] == [1, 2, 3]
            with pytest.raises(LogGap, match="no entry 4"):
                await reader.next(max_entries=3, max_bytes=999, wait=5)


async def test_a_deleted_last_entry_is_not_taken_for_the_end(nats_url: str) -> None:
    async with log_on(nats_url) as (client, log):
        stream = await filled(log, 3)
        await client.jsm().delete_msg(stream, 3)
        async with log.read(stream, 2) as reader:
            with pytest.raises(LogGap, match="no entry 3"):
                await reader.next(max_entries=3, max_bytes=999, wait=0.2)


async def test_a_consumer_that_the_broker_dropped_is_replaced(nats_url: str) -> None:
    async with log_on(nats_url) as (client, log):
        stream = await filled(log, 3)
        async with log.read(stream, 0) as reader:
            assert len(await reader.next(max_entries=9, max_bytes=999, wait=5)) >= 1
            for consumer in await client.jsm().consumers_info(stream):
                await client.jsm().delete_consumer(stream, consumer.name)
            await log.append(stream, b"after")
            read: list[int] = []
            while not read or read[-1] < 4:
                read += [entry.position for entry in await reader.next(max_entries=9, max_bytes=999, wait=10)]
            assert read[-1] == 4


async def test_an_entry_that_was_sent_but_never_arrived_is_read_again(nats_url: str) -> None:
    async with Proxy.to(nats_url) as proxy, log_on(nats_url) as (_, log), log_on(proxy.url) as (_, lossy_log):
        stream = await filled(log, 2)
        async with lossy_log.read(stream, 0) as reader:
            read = [entry.position for entry in await reader.next(max_entries=9, max_bytes=999, wait=5)]
            proxy.swallowing = True
            swallowed = asyncio.create_task(proxy.passed(10))
            await log.append(stream, b"lost on the way")
            await swallowed
            proxy.swallowing = False
            while read[-1] < 3:
                read += [entry.position for entry in await reader.next(max_entries=9, max_bytes=999, wait=0.5)]
    assert read == [1, 2, 3]


async def test_no_entry_is_skipped_while_connections_are_cut(nats_url: str) -> None:
    entries = 2000
    read: list[int] = []
    async with Proxy.to(nats_url) as proxy, log_on(nats_url) as (_, log), log_on(proxy.url) as (_, cut_log):
        stream = await filled(log, entries, padding=2000)

        async def cut() -> None:
            while True:
                await proxy.passed(150_000)
                proxy.cut()

        cutting = asyncio.create_task(cut())
        while len(read) < entries:
            try:
                async with cut_log.read(stream, len(read)) as reader:
                    while len(read) < entries:
                        found = await reader.next(max_entries=100, max_bytes=10**6, wait=2)
                        read += [entry.position for entry in found]
            except LogUnavailable:
                continue
        cutting.cancel()
    assert read == list(range(1, entries + 1))
    assert proxy.cuts >= 10
