"""The whole chain: HTTP -> durable -> stitched -> profile, segments, history; events/s, CPU per event and process.

Starts a stack of its own in a temporary directory, on loopback, bounded by --events. Run `make bench`.
"""

import argparse
import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.load import Load, drive, request
from bench.samples import bodies
from libs.devstack import api
from libs.devstack.catchup import catch_up
from libs.devstack.layout import Layout
from libs.devstack.stack import Stack
from libs.devstack.state import StackState

PATIENCE_SECONDS = 600.0
WANLIU = (sys.executable, "-m", "libs.devstack.cli")


@contextmanager
def fresh_stack(port_base: int) -> Iterator[Stack]:
    """A stack of its own, gone afterwards."""
    root = Path(tempfile.mkdtemp(prefix="wanliu-bench-"))
    root.chmod(0o711)
    data = root / "data"
    try:
        subprocess.run([*WANLIU, "up", "--detach", "--data", data, "--port-base", str(port_base)], check=True)
        yield Stack.open(Layout.at(data))
    finally:
        subprocess.run([*WANLIU, "down", "--data", data], check=True)
        shutil.rmtree(root, ignore_errors=True)


def cpu_seconds(stack: Stack) -> dict[str, float]:
    """CPU seconds used so far by every process of the stack, PostgreSQL with its children."""
    used: dict[str, float] = {}
    for name, process in StackState.load(stack.layout).processes.items():
        main = psutil.Process(process.pid)
        times = [member.cpu_times() for member in (main, *main.children(recursive=True))]
        used[name] = sum(time.user + time.system for time in times)
    return used


@dataclass(frozen=True)
class Run:
    """One measured load: what the client saw, and when the last projection had applied it."""

    name: str
    events: int
    load: Load
    applied_seconds: float
    cpu: dict[str, float]

    def lines(self) -> Iterator[str]:
        """The result for people."""
        accepted, applied = self.events / self.load.seconds, self.events / self.applied_seconds
        yield f"{self.name}: {self.events:,} events in {self.load.requests:,} requests"
        requests = self.load.requests / self.load.seconds
        yield f"  accepted, durable        {accepted:>10,.0f} events/s  {requests:,.0f} requests/s"
        yield f"  applied everywhere       {applied:>10,.0f} events/s"
        median, late = self.load.percentile(0.5) * 1000, self.load.percentile(0.99) * 1000
        yield f"  answer                   {median:>10.1f} ms median, {late:.1f} ms p99, {self.load.retried} sent again"
        for name, seconds in sorted(self.cpu.items(), key=lambda item: -item[1]):
            yield f"  CPU {name:<20} {seconds / self.events * 1e6:>10.1f} us/event"
        yield f"  CPU all                  {sum(self.cpu.values()) / self.events * 1e6:>10.1f} us/event"
        yield f"  CPU load generator       {self.load.cpu_seconds / self.events * 1e6:>10.1f} us/event (not ours)"


async def measure(stack: Stack, key: str, name: str, events: int, size: int, people: int, connections: int) -> Run:
    """Sends, waits until every consumer has applied it, and accounts for the CPU."""
    made = bodies(events, size, people, seed=events, run=f"{name}-{time.time_ns()}")
    requests = [request("/v1/batch", body, key) for body in made]
    before, began = cpu_seconds(stack), time.perf_counter()
    load = await drive(stack.url("ingest"), requests, connections)
    await catch_up(stack, PATIENCE_SECONDS)
    applied = time.perf_counter() - began
    after = cpu_seconds(stack)
    return Run(name, events, load, applied, {process: after[process] - before[process] for process in after})


async def bare_copy(stack: Stack, rows: int) -> float:
    """Rows per second of nothing but COPY into a table like the timeline, durable."""
    connection = await stack.postgres.connect("wanliu")
    body = os.urandom(300)
    records = [(os.urandom(16), number, body) for number in range(rows)]
    try:
        await connection.execute("CREATE TABLE public.bare (binding bytea, at bigint, sealed bytea)")
        began = time.perf_counter()
        for start in range(0, rows, 5000):
            await connection.copy_records_to_table("bare", records=records[start : start + 5000], schema_name="public")
        return rows / (time.perf_counter() - began)
    finally:
        await connection.execute("DROP TABLE IF EXISTS public.bare")
        await connection.close()


SEGMENTS = (
    {"event": {"name": "Order Completed", "op": "gte", "count": 2, "within": {"days": 30}}},
    {"all": [{"event": {"name": "Product Viewed"}}, {"not": [{"event": {"name": "Order Completed"}}]}]},
)


def define_segments(stack: Stack) -> None:
    """Two ordinary segments, so that the chain has something to decide."""
    with api.client(stack, "segments", ["segments:write"], ["service"]) as http:
        for number, definition in enumerate(SEGMENTS):
            segment = {"name": f"bench {number}", "purpose": "service", "definition": definition}
            api.answer(http.post("/v1/segments", json=segment))


async def run(events: int, people: int, port_base: int) -> None:
    """Warms up, then measures batches of 100 and single events."""
    with fresh_stack(port_base) as stack:
        with api.client(stack, "ingest", ["ingest:admin"]) as ingest:
            source = api.answer(ingest.post("/v1/sources", json={"name": "bench", "channel": "web"}))
        key = source["write_key"]
        define_segments(stack)
        print(f"bare COPY into PostgreSQL    {await bare_copy(stack, 50_000):>10,.0f} rows/s")
        await measure(stack, key, "warm-up (every person is new)", max(people * 2, 2000), 100, people, 8)
        for name, count, size, connections in (
            ("batch of 100", events, 100, 8),
            ("single requests", events // 10, 1, 64),
        ):
            print("\n".join((await measure(stack, key, name, count, size, people, connections)).lines()), flush=True)


def main() -> None:
    """Parses the arguments and runs."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=100_000)
    arguments.add_argument("--people", type=int, default=10_000)
    arguments.add_argument("--port-base", type=int, default=8600)
    chosen = arguments.parse_args()
    asyncio.run(run(min(chosen.events, 2_000_000), chosen.people, chosen.port_base))


if __name__ == "__main__":
    main()
