"""What a stack says about itself: readiness of every process, positions of every consumer."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec

from libs.common.eventlog.base import LogError, events_stream, segments_stream, stitched_stream
from libs.common.eventlog.jetstream import JetStreamLog, connect
from libs.devstack import nats
from libs.devstack.stack import Stack
from libs.devstack.state import StackState
from libs.devstack.table import HOST, Process, processes


class ConsumerReport(msgspec.Struct, frozen=True):
    """Where one consumer stands, as its worker's /readyz says."""

    stream: str
    position: int
    lag: int
    out_position: int = 0


@dataclass(frozen=True)
class ProcessReport:
    """One process: ready or the reason why not, and its consumers by `name:partition`."""

    ready: bool
    reason: str
    consumers: dict[str, ConsumerReport]


async def ask(client: httpx.AsyncClient, port: int) -> ProcessReport:
    """What the process on `port` says."""
    try:
        response = await client.get(f"http://{HOST}:{port}/readyz")
    except httpx.HTTPError as error:
        return ProcessReport(False, f"does not answer on port {port} ({type(error).__name__})", {})
    if response.status_code != 200:
        return ProcessReport(False, _reason(response), {})
    consumers = response.json().get("consumers", {})
    return ProcessReport(True, "", msgspec.convert(consumers, dict[str, ConsumerReport]))


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"answers {response.status_code}"


async def ask_all(stack: Stack, table: Sequence[Process]) -> dict[str, ProcessReport]:
    """Processes by name, asked at once."""
    async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
        reports = await asyncio.gather(*(ask(client, stack.port(process)) for process in table))
    return {process.name: report for process, report in zip(table, reports, strict=True)}


async def stream_ends(stack: Stack) -> dict[str, int]:
    """The last position of every stream. Raises LogError when the log does not answer."""
    names = [name(p) for p in range(stack.partitions) for name in (events_stream, stitched_stream, segments_stream)]
    async with connect(stack.nats_url(nats.OPERATOR), "wanliu") as client:
        log = JetStreamLog(client)
        return {name: await log.end(name) for name in names}


async def postgres_problem(stack: Stack) -> str:
    """Why PostgreSQL does not serve; empty when it does."""
    try:
        await (await stack.postgres.connect()).close()
    except Exception as error:  # whatever the driver raises is the answer
        return f"does not answer on port {stack.postgres_port} ({type(error).__name__})"
    return ""


async def status(stack: Stack) -> dict[str, Any]:
    """Everything `wanliu status --json` prints."""
    state = StackState.load(stack.layout)
    reports, database, (ends, log) = await asyncio.gather(
        ask_all(stack, processes()), postgres_problem(stack), _ends_or_problem(stack)
    )
    known = {
        "nats": ProcessReport(not log, log, {}),
        "postgres": ProcessReport(not database, database, {}),
        **reports,
    }
    shown = {}
    for name, port in stack.ports().items():
        running = state.processes.get(name)
        shown[name] = {
            "url": f"{'http' if name in reports else name}://{HOST}:{port}",
            "pid": running.pid if running else None,
            "restarts": running.restarts if running else 0,
            "ready": known[name].ready,
            "reason": known[name].reason,
            "lag": sum(consumer.lag for consumer in known[name].consumers.values()),
            "consumers": msgspec.to_builtins(known[name].consumers),
        }
    ready = all(report.ready for report in known.values())
    return {"data": str(stack.layout.root), "ready": ready, "streams": ends, "processes": shown}


async def _ends_or_problem(stack: Stack) -> tuple[dict[str, int], str]:
    try:
        return await stream_ends(stack), ""
    except LogError as error:
        return {}, str(error)
