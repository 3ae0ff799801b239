"""What segments cost: events/s and CPU per event on real PostgreSQL (durable, as `wanliu up` sets it), eight segments.

    python -m bench.segments [--customers 5000] [--events 50000]

The log and the vault's keys are in memory; bodies and fragments are truly sealed. Kinds of work:

    first      every customer's first event
    known      events of customers that are known, spread evenly
    back-fill  a new definition held against every customer, in steps of 2,000
    time       a tick that moves every customer out of a window
"""

import argparse
import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psutil
import uvloop

from bench.identity import PASSWORD, Server, _connect, _start, free_port, name_id
from libs.common import migrate
from libs.common.clock import SECOND, FixedClock
from libs.common.contracts.body import EventBody, Money, encode_body
from libs.common.contracts.events import EVENTS, Batch, Binding, Event, Pseudonym, SegmentDefined
from libs.common.contracts.stitched import FRESH, STITCHED, Facts, Linked, Origin, Stitched, Tick
from libs.common.contracts.vault import LIVE, Key
from libs.common.crypto import SUITES, binding_id, body_associated
from libs.common.db import open_engine
from libs.common.eventlog.memory import MemoryLog
from libs.common.processor import ProcessorConsumer
from libs.common.vault_client import HeldKey
from services.segments.processor import Segmenting
from services.segments.state import State

START = 1_700_000_000 * SECOND
DAY = 86_400 * SECOND
SUITE = SUITES["intl-v1"]
NAMES = ("Product Viewed", "Cart Viewed", "Order Completed", "Page")
DEFINITIONS: Sequence[Any] = (
    {"event": {"name": "Order Completed", "within": {"days": 7}}},
    {"event": {"name": "Product Viewed", "op": "gte", "count": 3, "within": {"hours": 24}}},
    {"revenue": {"currency": "CNY", "minor": 20_000, "within": {"days": 90}}},
    {"all": [{"event": {"name": "Cart Viewed"}}, {"not": [{"event": {"name": "Order Completed"}}]}]},
    {"not_seen": {"days": 30}},
    {"trait": {"name": "plan", "op": "eq", "value": "gold"}},
    {"any": [{"event": {"name": "Page", "count": 10}}, {"event": {"name": "Cart Viewed", "count": 2}}]},
    {"event": {"name": "Never"}},
)


@dataclass
class Crowd:
    """STITCHED of people with one binding each, and the keys of all of them."""

    log: MemoryLog = field(default_factory=MemoryLog)
    held: dict[bytes, HeldKey] = field(default_factory=dict)
    position: int = 0
    clock: int = START
    sent: int = 0

    async def keys(self, bindings: Sequence[bytes]) -> dict[bytes, HeldKey]:
        return {binding: self.held[binding] for binding in bindings}

    def binding(self, customer: int) -> Binding:
        carried = [Pseudonym("user_id", name_id("u", customer))]
        found = Binding(binding_id("w", [each.id for each in carried]), carried)
        if found.id not in self.held:
            key = SUITE.new_key()
            self.held[found.id] = HeldKey(found.id, Key(LIVE, key), SUITE.sealer(key), 0)
        return found

    async def write(self, entry: Any, facts: Facts) -> None:
        self.position += 1
        origin = Origin("log", self.position, self.position)
        output = Stitched(origin, self.clock, [EVENTS.encode(entry)], [facts])
        await self.log.append("STITCHED_0", STITCHED.encode(output))

    async def events(self, customers: Sequence[int], new: bool, size: int = 500) -> None:
        """One event of each, `size` an entry."""
        for start in range(0, len(customers), size):
            table = [self.binding(each) for each in dict.fromkeys(customers[start : start + size])]
            index = {binding.id: number for number, binding in enumerate(table)}
            events = [self._event(self.binding(each), index) for each in customers[start : start + size]]
            linked = [Linked(binding.id, binding.id[:16].ljust(16, b"c")) for binding in table] if new else []
            batch = Batch("w", self.clock, SUITE.name, ["web"], table, events, [], [])
            await self.write(batch, Facts(bytes([FRESH]) * len(events), linked))

    def _event(self, binding: Binding, index: dict[bytes, int]) -> Event:
        self.sent += 1
        self.clock += SECOND // 100
        name, event_id = NAMES[self.sent % len(NAMES)], name_id("e", self.sent)
        money = Money(9900, "CNY") if name == "Order Completed" else None
        properties = {"url": "/shop/p/4711", "title": "x" * 60, "position": 3}
        body = EventBody("track", name, "web", f"m-{self.sent}", properties=properties, money=money)
        associated = body_associated(SUITE.name, "w", binding.id, event_id)
        sealed = self.held[binding.id].sealer.seal(encode_body(body), associated)
        return Event(event_id, 0, index[binding.id], self.clock, self.clock, sealed)

    async def define(self, name: str, definition: Any) -> None:
        data = msgspec.json.encode(definition)
        await self.write(SegmentDefined("w", self.clock, name, name, "service", data, "bench"), Facts())

    async def tick(self, clock: int) -> None:
        self.clock = clock
        await self.log.append(
            "STITCHED_0", STITCHED.encode(Tick(Origin("log", self.position + 1, self.position), clock))
        )


@asynccontextmanager
async def server() -> AsyncIterator[Server]:
    """Starts PostgreSQL with the stack's settings and segments' tables in a temporary directory."""
    root, port = Path(tempfile.mkdtemp(prefix="wanliu-bench-")), free_port()
    process = _start(root, port)
    try:
        connection = await _connect(port)
        await connection.execute("CREATE SCHEMA segments")
        await connection.close()
        url = f"postgresql+asyncpg://postgres:{PASSWORD}@127.0.0.1:{port}/postgres"
        await migrate.upgrade(url, "segments", "segments")
        yield Server(psutil.Process(process.pid), url)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        shutil.rmtree(root, ignore_errors=True)


async def measure(what: str, amount: int, database: Server, consumer: ProcessorConsumer[State]) -> None:
    """Catches up and prints what it took."""
    started, cpu, other = time.perf_counter(), time.process_time(), database.cpu()
    await consumer.catch_up()
    took, mine, theirs = time.perf_counter() - started, time.process_time() - cpu, database.cpu() - other
    each = f"{mine / amount * 1e6:.0f} + {theirs / amount * 1e6:.0f} us CPU"
    print(f"{what:<44} {amount / took:>10,.0f} /s   {each}")


async def main(customers: int, events: int) -> None:
    """Prints the table."""
    crowd = Crowd()
    async with server() as database, open_engine(database.url, "segments") as engine:
        consumer = ProcessorConsumer(crowd.log, 0, engine, Segmenting(crowd, 0), FixedClock(0))
        for number, definition in enumerate(DEFINITIONS):
            await crowd.define(f"s{number}", definition)
        await crowd.events(range(customers), new=True)
        await measure("first: events of new customers, 500 an entry", customers, database, consumer)
        for size in (500, 100, 10):
            count = events if size == 500 else events // 5
            await crowd.events([number % customers for number in range(count)], new=False, size=size)
            await measure(f"known: {size} an entry", count, database, consumer)
        await crowd.define("late", {"event": {"name": "Page"}})
        for _ in range(customers // 2_000 + 1):
            await crowd.tick(crowd.clock + SECOND)
        await measure("back-fill: customers", customers, database, consumer)
        for number in range(customers // 2_000 + 2):
            await crowd.tick(crowd.clock + (DAY * 8 if number == 0 else SECOND))
        await measure("time: customers that leave a window", customers, database, consumer)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=5_000)
    parser.add_argument("--events", type=int, default=50_000)
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(given.customers, given.events))
