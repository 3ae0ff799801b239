"""The front door alone: single requests and batches, durable, beside a parse-only endpoint and a bare append.

    python -m bench.ingest [--events 50000] [--people 10000] [--port-base 8700]

Starts a stack of its own on loopback and stops what comes after ingest, so that two cores are shared by the load
generator, ingest, the vault, nats-server and PostgreSQL only. First, in this process: CPU per event by step.
"""

import argparse
import asyncio
import gc
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import psutil
import uvloop
from fastapi import FastAPI, Request

from bench.load import drive, request
from bench.pipeline import cpu_seconds, fresh_stack
from bench.samples import bodies
from libs.common.contracts.events import EVENTS
from libs.common.contracts.vault import Bound, Identifier, WorkspaceReply
from libs.common.crypto import SUITES, binding_id
from libs.common.eventlog.base import events_stream
from libs.common.eventlog.jetstream import JetStreamLog, connect
from libs.common.vault_client import HeldBinding
from libs.common.worker import GC_THRESHOLDS
from libs.devstack import api, nats
from libs.devstack.stack import Stack
from libs.devstack.state import StackState
from libs.devstack.table import HOST, uvicorn_options
from services.ingest.doors.segment import Limits, parse_batch
from services.ingest.entries import Writing
from services.ingest.incoming import Incoming, Item
from services.ingest.normalise import Normal, normalise
from services.ingest.pipeline import Bond, Sealing, bond

DOWNSTREAM = ("identity-worker", "profile-worker")
SUITE = SUITES["intl-v1"]
MICRO = 1e6


def parse_only() -> FastAPI:
    """The least that a FastAPI endpoint can do with an event: read it and answer."""
    app = FastAPI()

    @app.post("/v1/batch")
    @app.post("/v1/track")
    async def parse(request: Request) -> dict[str, bool]:
        msgspec.json.decode(await request.body())
        return {"success": True}

    return app


class Steps:
    """CPU seconds of this process by step, once per body."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Books the CPU of the block."""
        began = time.process_time()
        yield
        self.seconds.setdefault(name, []).append(time.process_time() - began)


def by_step(events: int, people: int) -> Iterator[str]:
    """CPU per event of each step of the pipeline, of the median batch: other processes disturb less so."""
    steps, bonds = Steps(), dict[tuple[Identifier, ...], Bond]()
    workspace = WorkspaceReply("default", 0, SUITE.name, os.urandom(32))
    for body in bodies(events, 100, people, seed=1, run="steps"):
        with steps.timed("decode only (msgspec, untyped)"):
            msgspec.json.decode(body)
        with steps.timed("parse"):
            items = parse_batch(body, "k", Limits()).items
        with steps.timed("normalise, scan"):
            normals = [_normal(item) for item in items]
        for normal in normals:
            bonds.setdefault(normal.identifiers, bond(normal.identifiers, _held(normal.identifiers)))
        with steps.timed("id, encrypt"):
            pieces = _sealed(workspace, items, normals, bonds)
        with steps.timed("entry"):
            _entry(pieces)
    yield f"CPU per event by step ({events:,} events in batches of 100, in this process)"
    for name, seconds in steps.seconds.items():
        yield f"  {name:<32} {statistics.median(seconds) / 100 * MICRO:>8.1f} us"


def _normal(item: Item) -> Normal:
    assert isinstance(item, Incoming)
    return normalise(item, "web")


def _held(identifiers: tuple[Identifier, ...]) -> HeldBinding:
    pseudonyms = [os.urandom(16) for _ in identifiers]
    key = SUITE.new_key()
    return HeldBinding(Bound(binding_id("default", pseudonyms), pseudonyms, key, 0), SUITE.sealer(key), 0)


def _sealed(
    workspace: WorkspaceReply, items: Sequence[Item], normals: Sequence[Normal], bonds: dict[Any, Bond]
) -> list[Any]:
    sealing = Sealing(workspace, "src_bench", time.time_ns() // 1000)
    return [
        sealing.accepted(item, normal, bonds[normal.identifiers]) for item, normal in zip(items, normals, strict=True)
    ]


def _entry(pieces: Sequence[Any]) -> bytes:
    writing = Writing(500, 2**20)
    for piece in pieces:
        writing.add("src_bench", piece)
    return EVENTS.encode(writing.batch("default", 0, SUITE.name))


@contextmanager
def parse_only_server(port: int) -> Iterator[psutil.Process]:
    """The parse-only endpoint under the same server as ingest."""
    command = [sys.executable, "-m", "uvicorn", "bench.ingest:parse_only", "--factory", *uvicorn_options(HOST, port)]
    process = subprocess.Popen(command)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


@contextmanager
def downstream_stopped(stack: Stack) -> Iterator[None]:
    """What comes after ingest stands still."""
    known = StackState.load(stack.layout).processes
    members = [psutil.Process(known[name].pid) for name in DOWNSTREAM]
    for member in members:
        member.suspend()
    try:
        yield
    finally:
        for member in members:
            member.resume()


async def measure(
    name: str, url: str, path: str, made: Sequence[bytes], events: int, key: str, connections: int,
    used: Callable[[], dict[str, float]],
) -> None:  # fmt: skip
    """Sends all bodies and prints rate, latency and CPU per event of each process that used any."""
    requests = [request(path, body, key) for body in made]
    before = used()
    load = await drive(url, requests, connections)
    after = used()
    rate, answers = events / load.seconds, load.requests / load.seconds
    median, late = load.percentile(0.5) * 1000, load.percentile(0.99) * 1000
    print(
        f"{name}: {rate:,.0f} events/s, {answers:,.0f} requests/s, {median:.1f} ms median, {late:.1f} ms p99",
        flush=True,
    )
    spent = {process: (after[process] - before[process]) / events * MICRO for process in after}
    shown = sorted(((cost, process) for process, cost in spent.items() if cost >= 0.5), reverse=True)
    print("  CPU us/event: " + ", ".join(f"{process} {cost:.1f}" for cost, process in shown))


async def bare_append(stack: Stack, size: int, seconds: float) -> None:
    """Appends of one entry after the other to a stream of its own, each waiting for its PubAck."""
    async with connect(stack.nats_url(nats.OPERATOR), "bench") as client:
        log = JetStreamLog(client)
        stream = events_stream(9)
        await log.ensure(stream)
        data, count, began = os.urandom(size), 0, time.perf_counter()
        while time.perf_counter() - began < seconds:
            await log.append(stream, data)
            count += 1
        rate = count / (time.perf_counter() - began)
        print(f"bare append of {size:,} bytes, one after the other: {rate:,.0f} entries/s", flush=True)
        await client.jetstream().delete_stream(stream)


async def run(events: int, people: int, port_base: int) -> None:
    """Everything, printed as it is known."""
    batches, singles = events, max(events // 5, 1)
    many = bodies(batches, 100, people, seed=2, run="many")
    single = [body[len(b'{"batch": [') : -len(b"]}")] for body in bodies(singles, 1, people, seed=3, run="single")]
    with parse_only_server(port_base + 99) as process:
        await _until_open(port_base + 99)

        def alone() -> dict[str, float]:
            times = process.cpu_times()
            return {"parse-only": times.user + times.system}

        url = f"http://{HOST}:{port_base + 99}"
        await measure("parse-only, batch of 100", url, "/v1/batch", many, batches, "k", 8, alone)
        await measure("parse-only, single requests", url, "/v1/track", single, singles, "k", 64, alone)
    with fresh_stack(port_base) as stack:
        await bare_append(stack, 500, 2)
        await bare_append(stack, 150_000, 2)
        with api.client(stack, "ingest", ["ingest:admin"]) as http:
            key = api.answer(http.post("/v1/sources", json={"name": "bench", "channel": "web"}))["write_key"]
        url = stack.url("ingest")
        with downstream_stopped(stack):
            warm = bodies(max(people * 2, 1), 100, people, seed=1, run="warm")
            used = lambda: cpu_seconds(stack)  # noqa: E731 - read at two moments
            await measure("warm-up (new people)", url, "/v1/batch", warm, max(people * 2, 1), key, 8, used)
            await measure("ingest, batch of 100", url, "/v1/batch", many, batches, key, 8, used)
            await measure("ingest, single requests", url, "/v1/track", single, singles, key, 64, used)


async def _until_open(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            _, writer = await asyncio.open_connection(HOST, port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise RuntimeError(f"nothing listens on port {port}")


def main() -> None:
    """Parses the arguments and runs."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=50_000)
    arguments.add_argument("--people", type=int, default=10_000)
    arguments.add_argument("--port-base", type=int, default=8700)
    chosen = arguments.parse_args()
    gc.set_threshold(*GC_THRESHOLDS)  # as the front door does
    for line in by_step(min(chosen.events, 20_000), chosen.people):
        print(line, flush=True)
    uvloop.run(run(min(chosen.events, 1_000_000), chosen.people, chosen.port_base))


if __name__ == "__main__":
    main()
