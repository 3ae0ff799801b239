"""The process that runs a service's consumers: the same app as every other, with nothing but health and metrics."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi import FastAPI
from prometheus_client import Gauge

from libs.common.app import create_app
from libs.common.consumer import Consumer, Progress
from libs.common.errors import Unavailable
from libs.common.eventlog.base import EventLog, LogError

# A consumer makes and drops objects by the batch. At CPython's default of 700 the collector walks half-made
# batches again and again: 40 % of the CPU of stitching new bindings (m, bench/identity.py).
GC_THRESHOLDS = (50_000, 20, 100)

POSITION = Gauge("wanliu_consumer_position", "Last applied position", ["consumer", "partition", "stream"])


@dataclass
class Consumers:
    """The running consumers of a process and the log they read; `reactors` run beside them and have no position."""

    log: EventLog
    running: Sequence[Consumer]
    reactors: Sequence[Consumer] = ()

    async def ready(self) -> dict[str, Any]:
        """Position and lag of each consumer; Unavailable when one has stopped or cannot work."""
        report: dict[str, Any] = {}
        for consumer in (*self.running, *self.reactors):
            _must_work(consumer.progress)
        for progress in (consumer.progress for consumer in self.running):
            name = f"{progress.consumer}:{progress.partition}"
            try:
                end = await self.log.end(progress.stream)
            except LogError as error:
                raise Unavailable(str(error)) from error
            POSITION.labels(progress.consumer, progress.partition, progress.stream).set(progress.position)
            report[name] = {
                "stream": progress.stream,
                "position": progress.position,
                "out_position": progress.out_position,
                "lag": max(end - progress.position, 0),
            }
        return {"consumers": report}


def _must_work(progress: Progress) -> None:
    name = f"{progress.consumer}:{progress.partition}"
    if progress.error:
        raise Unavailable(f"{name} has stopped at {progress.position} of {progress.stream}: {progress.error}")
    if progress.waiting_for:
        raise Unavailable(f"{name} waits: {progress.waiting_for}")


async def _watch(consumer: Consumer) -> None:
    """Runs a consumer; when it stops for good, keeps the reason for /readyz and the log."""
    try:
        await consumer.run()
    except Exception as error:
        consumer.progress.error = f"{type(error).__name__}: {error}"[:500]
        structlog.get_logger().exception("consumer stopped", consumer=consumer.progress.consumer)


def create_worker(
    name: str, open_consumers: Callable[[AsyncExitStack], Awaitable[Consumers]], *, log_level: str = "INFO"
) -> FastAPI:
    """An app whose lifespan runs the consumers that `open_consumers` makes."""

    async def resources(stack: AsyncExitStack) -> Consumers:
        consumers = await open_consumers(stack)
        await run_consumers(stack, consumers)
        return consumers

    return create_app(name, resources, log_level=log_level)


async def run_consumers(stack: AsyncExitStack, consumers: Consumers) -> Callable[[], None]:
    """Runs consumers until the stack closes. What it returns starts those anew that have stopped for good."""
    gc.set_threshold(*GC_THRESHOLDS)
    tasks = [asyncio.create_task(_watch(each)) for each in (*consumers.running, *consumers.reactors)]

    async def stop() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def again() -> None:
        for each in (*consumers.running, *consumers.reactors):
            if each.progress.error:
                each.progress.error = ""
                tasks.append(asyncio.create_task(_watch(each)))

    stack.push_async_callback(stop)
    return again
