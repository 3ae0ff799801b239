"""Waiting until every consumer has applied the log's present tail. Positions are waited for, never time."""

import asyncio
from collections.abc import Callable, Mapping

from libs.common.eventlog.base import LogUnavailable, events_stream, stitched_stream
from libs.devstack.errors import StackError
from libs.devstack.observe import ConsumerReport, ProcessReport, ask_all, stream_ends
from libs.devstack.stack import Stack
from libs.devstack.table import processes

POLL_SECONDS = 0.05
WORKERS = [process for process in processes() if process.reads_log]
Consumers = Mapping[str, ConsumerReport]


async def catch_up(
    stack: Stack, patience: float, show: Callable[[int, int], None] = lambda done, total: None
) -> Consumers:
    """Returns every consumer's report once it covers the tail that EVENTS had when we were called.

    `show(applied, wanted)` is called while waiting. Raises StackError when `patience` seconds pass, and at once
    when a consumer has stopped for good.
    """
    reports: dict[str, ProcessReport] = {}
    try:
        async with asyncio.timeout(patience):
            tails = await _event_tails(stack)
            while True:
                reports = await ask_all(stack, WORKERS)
                consumers = _workers_consumers(reports)
                if consumers is not None:
                    wanted = targets(tails, consumers)
                    show(*_progress(consumers, wanted))
                    if is_covered(consumers, wanted):
                        return consumers
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise StackError(f"not caught up after {patience:g} s: {_why(reports)}") from None


async def _event_tails(stack: Stack) -> dict[str, int]:
    while True:
        try:
            ends = await stream_ends(stack)
        except LogUnavailable:
            await asyncio.sleep(POLL_SECONDS)  # it may be restarting; the caller's patience ends this
            continue
        return {name: ends[name] for name in map(events_stream, range(stack.partitions))}


def _workers_consumers(reports: Mapping[str, ProcessReport]) -> Consumers | None:
    """All consumers, or None while a worker does not answer. Raises StackError when one has stopped."""
    workers = reports.values()
    for worker in workers:
        if "has stopped at" in worker.reason:
            raise StackError(worker.reason)
    if not all(worker.ready for worker in workers):
        return None
    return {name: consumer for worker in workers for name, consumer in worker.consumers.items()}


def targets(tails: Mapping[str, int], consumers: Consumers) -> dict[str, int]:
    """The position that covers the tail, per stream: EVENTS' own; STITCHED's once the processor that writes
    it covers its EVENTS (until then it is missing)."""
    wanted = dict(tails)
    for stream, tail in tails.items():
        stitched = stitched_stream(int(stream.rpartition("_")[2]))
        if tail == 0:
            wanted[stitched] = 0
        for consumer in consumers.values():
            if consumer.stream == stream and consumer.out_position > 0 and consumer.position >= tail:
                wanted[stitched] = consumer.out_position
    return wanted


def is_covered(consumers: Consumers, wanted: Mapping[str, int]) -> bool:
    """Whether every consumer stands at or beyond what is wanted of its stream."""
    return all(
        consumer.stream in wanted and consumer.position >= wanted[consumer.stream] for consumer in consumers.values()
    )


def _progress(consumers: Consumers, wanted: Mapping[str, int]) -> tuple[int, int]:
    goals = [(min(c.position, goal), goal) for c in consumers.values() if (goal := wanted.get(c.stream)) is not None]
    return sum(done for done, _ in goals), sum(goal for _, goal in goals)


def _why(reports: Mapping[str, ProcessReport]) -> str:
    waiting = [f"{name}: {report.reason}" for name, report in reports.items() if not report.ready]
    lags = [
        f"{name} lags {consumer.lag}"
        for report in reports.values()
        for name, consumer in report.consumers.items()
        if consumer.lag
    ]
    return "; ".join(waiting + lags) or "the log does not answer"
