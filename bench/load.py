"""A small HTTP load generator: prebuilt requests over a few keep-alive connections, on loopback only.

It costs few microseconds a request, so that what is measured is the server although both share two cores.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.samples import basic


@dataclass(frozen=True)
class Load:
    """What a run did: wall seconds, the generator's own CPU seconds, latencies in seconds, sorted."""

    requests: int
    seconds: float
    cpu_seconds: float
    latencies: list[float]
    retried: int

    def percentile(self, share: float) -> float:
        """The latency that `share` of the requests did not exceed."""
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)]


def request(path: str, body: bytes, key: str) -> bytes:
    """The bytes of one POST with a write key."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        f"Authorization: {basic(key)}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def drive(url: str, requests: Sequence[bytes], connections: int) -> Load:
    """Sends every request once, answers awaited; 429 and 503 are sent again. Raises on any other refusal."""
    parts = urlsplit(url)
    if parts.hostname not in ("127.0.0.1", "localhost"):
        raise ValueError(f"load goes to loopback only, not to {parts.hostname}")
    waiting = iter(requests)
    latencies: list[float] = []
    retried = 0

    async def connection() -> None:
        nonlocal retried
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for data in waiting:
            while True:
                began = time.perf_counter()
                writer.write(data)
                status = await _answer(reader)
                if status not in (429, 503):
                    break
                retried += 1
                await asyncio.sleep(0.05)
            latencies.append(time.perf_counter() - began)
            if status != 200:
                raise RuntimeError(f"{url} answered {status}")
        writer.close()

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(connection() for _ in range(connections)))
    seconds, used = time.perf_counter() - wall, time.process_time() - cpu
    return Load(len(latencies), seconds, used, sorted(latencies), retried)


async def _answer(reader: asyncio.StreamReader) -> int:
    """Reads one response with a Content-Length and returns its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0)
    if length:
        await reader.readexactly(length)
    return int(lines[0].split(b" ")[1])
