"""What stitching costs: events/s and CPU per event of identity on real PostgreSQL (durable, as `wanliu up` sets it).

    python -m bench.identity [--customers 23000] [--events 200000] [--profile]

The log is in memory, so these figures are identity's own and PostgreSQL's; an append to JetStream comes on top
once per transaction. Three kinds of work at each entry size:

    first    every customer's first event: new binding, two new pseudonyms, new customer
    known    events of bindings that are known: deduplication and accounting only
    session  a known user with a new anonymous id: new binding, one new pseudonym
"""

import argparse
import asyncio
import cProfile
import gc
import os
import pstats
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import asyncpg
import psutil
import uvloop
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common import migrate
from libs.common.clock import SECOND, FixedClock
from libs.common.contracts.events import EVENTS, Batch, Binding, Event, Pseudonym
from libs.common.crypto import binding_id
from libs.common.db import open_engine
from libs.common.eventlog.memory import MemoryLog
from libs.common.processor import ProcessorConsumer
from libs.common.worker import GC_THRESHOLDS
from libs.devstack import postgres
from libs.devstack.child import launch_command
from libs.devstack.privileges import postgres_identity
from services.identity.processor import Identity

START = 1_700_000_000 * SECOND
BODY = os.urandom(250)
PASSWORD = secrets.token_hex(8)


def name_id(*name: object) -> bytes:
    """16 bytes, the same for the same name."""
    return blake2b(repr(name).encode(), digest_size=16).digest()


def binding(customer: int, session: int) -> Binding:
    """The user id of a customer with the anonymous id of one of its sessions."""
    pseudonyms = [
        Pseudonym("user_id", name_id("u", customer)),
        Pseudonym("anonymous_id", name_id("a", customer, session)),
    ]
    return Binding(binding_id("w", [each.id for each in pseudonyms]), pseudonyms)


def entries(work: str, carried: Iterable[tuple[int, int]], size: int) -> list[bytes]:
    """Encoded entries of `size` events, one event per (customer, session)."""
    found, events = [], list(enumerate(carried))
    for start in range(0, len(events), size):
        part = events[start : start + size]
        at = START + start * 100
        numbers = {pair: number for number, pair in enumerate(dict.fromkeys(pair for _, pair in part))}
        found.append(
            EVENTS.encode(
                Batch(
                    "w",
                    at,
                    "intl-v1",
                    ["web"],
                    [binding(*pair) for pair in numbers],
                    [Event(name_id(work, size, n), 0, numbers[pair], at, at, BODY) for n, pair in part],
                    [],
                    [],
                )
            )
        )
    return found


@dataclass
class Server:
    """A throw-away durable PostgreSQL."""

    process: psutil.Process
    url: str

    def cpu(self) -> float:
        """CPU seconds of all its processes."""
        total = 0.0
        for each in (self.process, *self.process.children(recursive=True)):
            times = each.cpu_times()
            total += times.user + times.system
        return total


@asynccontextmanager
async def server() -> AsyncIterator[Server]:
    """Starts PostgreSQL with the stack's settings in a temporary directory."""
    root, port = Path(tempfile.mkdtemp(prefix="wanliu-bench-")), free_port()
    process = _start(root, port)
    try:
        connection = await _connect(port)
        await connection.execute("CREATE SCHEMA identity")
        await connection.close()
        url = f"postgresql+asyncpg://postgres:{PASSWORD}@127.0.0.1:{port}/postgres"
        await migrate.upgrade(url, "identity", "identity")
        yield Server(psutil.Process(process.pid), url)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        shutil.rmtree(root, ignore_errors=True)


def free_port() -> int:
    """A port on loopback that nobody listened on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _start(root: Path, port: int) -> "subprocess.Popen[bytes]":
    programs, cluster, password = postgres.binaries(), root / "cluster", root / "password"
    root.chmod(0o711)
    cluster.mkdir(mode=0o700)
    password.write_text(PASSWORD)
    identity = postgres_identity([cluster, programs / "initdb"])
    for path in (cluster, password):
        os.chown(path, identity.uid, identity.gid)
    make = launch_command(postgres.initdb_command(programs, cluster, password), signal.SIGTERM, identity)
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL, cwd="/")
    (cluster / "postgresql.conf").write_text(postgres.settings(port))
    serve = launch_command((str(programs / "postgres"), "-D", str(cluster)), signal.SIGINT, identity)
    return subprocess.Popen(serve, cwd="/", stderr=subprocess.DEVNULL)


async def _connect(port: int) -> asyncpg.Connection:
    deadline = time.monotonic() + 20
    while True:
        try:
            return await asyncpg.connect(
                host="127.0.0.1", port=port, user="postgres", password=PASSWORD, database="postgres"
            )
        except (OSError, asyncpg.PostgresError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)


async def measure(found: Server, engine: AsyncEngine, log: MemoryLog, work: Sequence[bytes], events: int) -> str:
    """Appends the work, stitches it, and tells what that cost."""
    for entry in work:
        await log.append("EVENTS_0", entry)
    consumer = ProcessorConsumer(log, 0, engine, Identity(0), FixedClock(START))
    wall, own, theirs = time.perf_counter(), time.process_time(), found.cpu()
    await consumer.catch_up()
    wall, own, theirs = time.perf_counter() - wall, time.process_time() - own, found.cpu() - theirs
    micros = 1e6 / events
    return f"{events / wall:>10,.0f} {own * micros:>12.1f} {theirs * micros:>12.1f} {(own + theirs) * micros:>10.1f}"


async def run(customers: int, events: int, profile: bool) -> None:
    draw = random.Random(1)
    print(f"{'work':<10}{'events/entry':>12} {'events/s':>10} {'python us':>12} {'postgres us':>12} {'sum us':>10}")
    async with server() as found, open_engine(found.url, "identity") as engine:
        log, everybody = MemoryLog(), list(range(customers))
        for session, size in enumerate((500, 100, 10)):
            kinds = {
                "first" if session == 0 else "session": [(each, session) for each in everybody],
                "known": [(draw.choice(everybody), session) for _ in range(events if size > 10 else events // 5)],
            }
            for name, carried in kinds.items():
                work = entries(name, carried, size)
                profiler = cProfile.Profile()
                if profile:
                    profiler.enable()
                line = await measure(found, engine, log, work, len(carried))
                profiler.disable()
                print(f"{name:<10}{size:>12} {line}", flush=True)
                if profile:
                    pstats.Stats(profiler).sort_stats("tottime").print_stats(18)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=23_000)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--profile", action="store_true")
    chosen = parser.parse_args()
    gc.set_threshold(*GC_THRESHOLDS)
    uvloop.run(run(chosen.customers, chosen.events, chosen.profile))


if __name__ == "__main__":
    main()
