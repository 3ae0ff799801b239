"""What folding costs: events/s and CPU per event of profile on real PostgreSQL (durable, as `wanliu up` sets it).

    python -m bench.profile [--customers 20000] [--events 100000] [--profile]

The log is in memory and the vault a dictionary, so these figures are profile's own and PostgreSQL's. Bodies are
sealed and opened for real. Three kinds of work at each entry size:

    first    every event of a new binding with two pseudonyms
    known    events spread evenly over bindings that are known: every fragment is opened and sealed again
    busy     events of 200 bindings, as a browsing session gives: few fragments, many events each
"""

import argparse
import asyncio
import cProfile
import gc
import pstats
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import asyncpg
import uvloop
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.identity import Server, name_id, server
from libs.common import migrate
from libs.common.contracts.body import EventBody, Money, encode_body
from libs.common.contracts.events import EVENTS, Batch, Binding, Event, Pseudonym
from libs.common.contracts.stitched import STITCHED, Facts, Linked, Origin, Stitched
from libs.common.contracts.vault import LIVE, Key
from libs.common.crypto import SUITES, binding_id, body_associated
from libs.common.db import open_engine
from libs.common.eventlog.base import stitched_stream
from libs.common.eventlog.memory import MemoryLog
from libs.common.projection import ProjectionConsumer
from libs.common.vault_client import HeldKey
from libs.common.worker import GC_THRESHOLDS
from services.profile.projection import ProfileProjection

START = 1_700_000_000_000_000
SUITE = SUITES["intl-v1"]
EVENT_NAMES = ("Product Viewed", "Product Added", "Page Viewed", "Order Completed")


class Keys:
    """One key per binding; the sealer is made once, as the client's cache does."""

    def __init__(self) -> None:
        self.held: dict[bytes, HeldKey] = {}

    def hold(self, binding: bytes) -> HeldKey:
        if binding not in self.held:
            key = SUITE.new_key()
            self.held[binding] = HeldKey(binding, Key(LIVE, key), SUITE.sealer(key), 0)
        return self.held[binding]

    async def keys(self, bindings: Sequence[bytes]) -> dict[bytes, HeldKey]:
        return {binding: self.held[binding] for binding in bindings}


def binding(customer: int) -> Binding:
    pseudonyms = [Pseudonym(kind, name_id(kind, customer)) for kind in ("user_id", "anonymous_id")]
    return Binding(binding_id("w", [each.id for each in pseudonyms]), pseudonyms)


def body(number: int, dice: random.Random) -> bytes:
    name = dice.choice(EVENT_NAMES)
    money = Money(dice.randrange(10_000), "CNY") if name == "Order Completed" else None
    properties = {"product_id": f"p{number % 997}", "name": "Wool coat, navy", "category": "coats", "position": 3}
    context = {"page": {"path": "/coats/17", "title": "Coats"}, "locale": "zh-CN", "device": {"type": "mobile"}}
    campaign = {"source": "douyin", "name": "autumn"} if number % 10 == 0 else {}
    return encode_body(
        EventBody("track", name, dice.choice(("web", "app")), f"message-{number}", "cpc" if campaign else "", campaign,
                  properties, {"level": "gold"} if number % 20 == 0 else {}, {}, context, money)
    )  # fmt: skip


class History:
    """Encodes STITCHED entries that go on from each other."""

    def __init__(self, keys: Keys) -> None:
        self.keys, self.events, self.positions, self.linked = keys, 0, 0, set[bytes]()
        self._dice = random.Random(7)

    def entries(self, customers: Sequence[int], size: int) -> Iterator[bytes]:
        """One event per customer given, `size` an entry."""
        for start in range(0, len(customers), size):
            yield self._entry(customers[start : start + size])

    def _entry(self, customers: Sequence[int]) -> bytes:
        numbers = {customer: number for number, customer in enumerate(dict.fromkeys(customers))}
        bindings = [binding(customer) for customer in numbers]
        events = [self._event(bindings[numbers[customer]].id, numbers[customer]) for customer in customers]
        linked = [Linked(b.id, name_id("customer", b.id)) for b in bindings if b.id not in self.linked]
        self.linked.update(each.binding for each in linked)
        self.positions += 1
        batch = Batch("w", START, SUITE.name, ["web"], bindings, events, [], [])
        facts = Facts(bytes(len(events)), linked)
        origin = Origin("log", self.positions, self.positions)
        return STITCHED.encode(Stitched(origin, START, [EVENTS.encode(batch)], [facts]))

    def _event(self, key: bytes, number: int) -> Event:
        self.events += 1
        event_id, at = name_id("event", self.events), START + self.events * 1_000_000
        sealed = self.keys.hold(key).sealer.seal(
            body(self.events, self._dice), body_associated(SUITE.name, "w", key, event_id)
        )
        return Event(event_id, 0, number, at, at + 1, sealed)


@dataclass
class Bench:
    """Profile's consumer on a log and a database, and what both processes have used."""

    pg: Server
    log: MemoryLog
    consumer: ProjectionConsumer

    async def measure(self, name: str, size: int, entries: Sequence[bytes], events: int) -> None:
        """Folds the entries and prints what an event cost."""
        for entry in entries:
            await self.log.append(stitched_stream(0), entry)
        before, start = (time.process_time(), self.pg.cpu()), time.perf_counter()
        await self.consumer.catch_up()
        wall, after = time.perf_counter() - start, (time.process_time(), self.pg.cpu())
        ours, theirs = ((b - a) * 1_000_000 / events for a, b in zip(before, after, strict=True))
        rate = f"{name:>6} {size:>4}/entry  {events / wall:>8,.0f} events/s"
        print(f"{rate}   profile {ours:>5.1f} us + postgres {theirs:>5.1f} us = {ours + theirs:>5.1f} us", flush=True)


async def _tables(pg: Server) -> str:
    url = make_url(pg.url)
    connection = await asyncpg.connect(
        host=url.host, port=url.port, user=url.username, password=url.password, database=url.database
    )
    await connection.execute("CREATE SCHEMA profile")
    await connection.close()
    await migrate.upgrade(pg.url, "profile", "profile")
    return pg.url


async def run(customers: int, events: int) -> None:
    async with server() as pg, open_engine(await _tables(pg), "profile") as engine:
        await _run(engine, pg, customers, events)


async def _run(engine: AsyncEngine, pg: Server, customers: int, events: int) -> None:
    keys, log, dice = Keys(), MemoryLog(), random.Random(3)
    history, born = History(keys), 0
    consumer = ProjectionConsumer(log, stitched_stream(0), 0, engine, ProfileProjection(keys, 0), STITCHED)
    bench = Bench(pg, log, consumer)
    for size in (500, 100, 10):
        count = events if size > 10 else events // 5
        new = range(born, born + min(count, customers))
        born = new.stop
        works = {
            "first": list(new),
            "known": [dice.randrange(born) for _ in range(count)],
            "busy": [dice.randrange(200) for _ in range(count)],
        }
        for name, carried in works.items():
            await bench.measure(name, size, list(history.entries(carried, size)), len(carried))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    given = parser.parse_args()
    gc.set_threshold(*GC_THRESHOLDS)  # as every worker does
    profiler = cProfile.Profile() if given.profile else None
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if profiler:
            profiler.enable()
        runner.run(run(given.customers, given.events))
        if profiler:
            profiler.disable()
            pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
