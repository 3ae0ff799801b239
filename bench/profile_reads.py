"""What an answer costs: profiles by id and by identifier, requests/s, latency, CPU per request and process.

    python -m bench.profile_reads [--people 2000] [--requests 10000]

Starts a stack of its own on loopback, gives every person ten events, then asks for people at random, each by the
identifiers that ingest saw. The vault is asked once a minute per identifier and key, as in production.
"""

import argparse
import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence

from bench.load import Load, drive, request
from bench.pipeline import PATIENCE_SECONDS, cpu_seconds, fresh_stack
from bench.samples import bodies
from libs.devstack import api
from libs.devstack.catchup import catch_up
from libs.devstack.stack import Stack

PURPOSE = "purpose=service"


def ask(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    """The bytes of one request of a reader."""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def lookup(token: str, person: int) -> bytes:
    """By the user id that the samples give."""
    body = json.dumps({"kind": "user_id", "value": f"user-{person}"}).encode()
    return ask("POST", f"/v1/profiles:lookup?{PURPOSE}", token, body)


async def fill(stack: Stack, people: int) -> None:
    """Ten events a person, on the way and applied."""
    with api.client(stack, "ingest", ["ingest:admin"]) as ingest:
        key = api.answer(ingest.post("/v1/sources", json={"name": "bench", "channel": "web"}))["write_key"]
    made = bodies(people * 10, 100, people, seed=1, run="reads")
    await drive(stack.url("ingest"), [request("/v1/batch", body, key) for body in made], 4)
    await catch_up(stack, PATIENCE_SECONDS)


def customers(stack: Stack, people: int) -> list[str]:
    """The ids of those whom the samples drew."""
    found = []
    with api.client(stack, "profile", ["profiles:read"], ["service"]) as http:
        for person in range(people):
            body = {"kind": "user_id", "value": f"user-{person}"}
            answer = http.post("/v1/profiles:lookup", params={"purpose": "service"}, json=body)
            if answer.status_code == 200:
                found.append(answer.json()["customer_id"])
    return found


async def measure(stack: Stack, name: str, requests: Sequence[bytes], connections: int) -> None:
    """Asks everything and prints what it took."""
    before = cpu_seconds(stack)
    load: Load = await drive(stack.url("profile"), requests, connections)
    used = {each: (seconds - before[each]) / len(requests) * 1e6 for each, seconds in cpu_seconds(stack).items()}
    shown = ", ".join(f"{each} {used[each]:.0f}" for each in ("profile", "postgres", "privacy", "nats"))
    print(
        f"{name:<26} {load.requests / load.seconds:>7,.0f} requests/s   p50 {load.percentile(0.5) * 1000:5.1f} ms   "
        f"p99 {load.percentile(0.99) * 1000:5.1f} ms   CPU us: {shown}",
        flush=True,
    )


async def run(people: int, count: int, port_base: int) -> None:
    """By id, by identifier, timeline; at a few connections and at many."""
    with fresh_stack(port_base) as stack:
        await fill(stack, people)
        known, dice = customers(stack, people), random.Random(2)
        token = stack.token(["profiles:read"], ["service"], ttl=3600)
        paging = f"limit=20&{PURPOSE}"
        kinds: dict[str, Callable[[], bytes]] = {
            "by id": lambda: ask("GET", f"/v1/profiles/{dice.choice(known)}?{PURPOSE}", token),
            "by identifier": lambda: lookup(token, dice.randrange(len(known))),
            "timeline of 20": lambda: ask("GET", f"/v1/profiles/{dice.choice(known)}/timeline?{paging}", token),
        }
        began = time.perf_counter()
        for connections in (2, 16):
            for name, make in kinds.items():
                await measure(stack, f"{name}, {connections} connections", [make() for _ in range(count)], connections)
        print(f"{time.perf_counter() - began:.0f} s in all, {len(known):,} people", flush=True)


def main() -> None:
    """Parses the arguments and runs."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--people", type=int, default=2000)
    arguments.add_argument("--requests", type=int, default=10_000)
    arguments.add_argument("--port-base", type=int, default=8700)
    chosen = arguments.parse_args()
    asyncio.run(run(chosen.people, chosen.requests, chosen.port_base))


if __name__ == "__main__":
    main()
