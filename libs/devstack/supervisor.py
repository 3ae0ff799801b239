"""Starts a stack, keeps it alive, stops it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import httpx
import structlog

from libs.devstack import logs, prepare
from libs.devstack.child import Child, Spec
from libs.devstack.errors import StackError
from libs.devstack.nats import OPERATOR
from libs.devstack.provision import make_schemas, make_streams
from libs.devstack.room import Room
from libs.devstack.specs import nats_spec, postgres_spec, service_spec
from libs.devstack.stack import Stack
from libs.devstack.state import DOWN, READY, STARTING, STOPPING, ProcessState, StackState, supervising, sweep
from libs.devstack.table import processes

Report = Callable[[str], None]
START_SECONDS = 90.0
SERVICE_STOP_SECONDS, ENGINE_STOP_SECONDS = 10.0, 30.0
TEND_EVERY = 5.0


class Supervisor:
    """The children of one stack, engines before services."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._state = STARTING
        self._saved = False
        self._children: list[Child] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._client = httpx.AsyncClient(timeout=5, trust_env=False)

    async def start(self, report: Report) -> None:
        """Brings everything up; returns when every service answers. Raises StackError with the reason."""
        report("preparing the data directory")
        await asyncio.to_thread(prepare.make_directory, self._stack)
        report("starting nats-server and PostgreSQL")
        await self._bring_up([nats_spec(self._stack), postgres_spec(self._stack)])
        report("preparing schemas and streams")
        await asyncio.gather(
            make_schemas(self._stack.postgres),
            make_streams(self._stack.nats_url(OPERATOR), self._stack.partitions),
        )
        report("starting the services")
        await self._bring_up([service_spec(self._stack, process, self._client) for process in processes()])
        self._tasks.append(asyncio.create_task(self._tend()))
        self._enter(READY)

    async def _bring_up(self, specs: Sequence[Spec]) -> None:
        """Starts programs side by side; from when they are ready they are kept alive."""
        fresh = [Child(spec, self._save) for spec in specs]
        self._children += fresh
        for child in fresh:
            logs.rotate(child.spec.log)
            await child.start()
        async with _first_failure(fresh) as group:
            for child in fresh:
                group.create_task(child.until_ready(START_SECONDS))
        self._tasks += [asyncio.create_task(child.keep_alive()) for child in fresh]

    async def _tend(self) -> None:
        """Keeps logs small for as long as the stack runs, and mends what a full disk left behind."""
        room = Room(self._stack.layout.nats, self._stack.layout.log("nats"))
        while True:
            await asyncio.sleep(TEND_EVERY)
            if room.is_back():
                self._child("nats").end()
            try:
                self._cut_logs()
            except OSError as error:
                structlog.get_logger().warning("logs not cut", error=str(error))
            if not self._saved:
                self._save()

    def _child(self, name: str) -> Child:
        return next(child for child in self._children if child.spec.name == name)

    def _cut_logs(self) -> None:
        for child in self._children:
            logs.bound(child.spec.log)

    async def stop(self) -> None:
        """Ends services, then engines; nothing is left running."""
        self._enter(STOPPING)
        engines = [child for child in self._children if child.spec.name in ("nats", "postgres")]
        services = [child for child in self._children if child not in engines]
        await asyncio.gather(*(child.stop(SERVICE_STOP_SECONDS) for child in services))
        await asyncio.gather(*(child.stop(ENGINE_STOP_SECONDS) for child in engines))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._children.clear()
        await self._client.aclose()
        self._enter(DOWN)

    def _enter(self, state: str) -> None:
        self._state = state
        self._save()

    def _save(self) -> None:
        alive: dict[str, ProcessState] = {}
        for child in self._children:
            if (state := child.state) is not None:
                alive[child.spec.name] = state
        stack = self._stack
        told = StackState(self._state, os.getpid(), stack.port_base, stack.partitions, stack.workspace, alive)
        try:
            told.save(stack.layout)
            self._saved = True
        except OSError as error:  # no room: the children matter more than what stack.json says of them
            self._saved = False
            structlog.get_logger().warning("stack.json not written", error=str(error))


@asynccontextmanager
async def _first_failure(children: Sequence[Child]) -> AsyncIterator[asyncio.TaskGroup]:
    """A task group whose first StackError is raised as itself, with a word about the others."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except* StackError as errors:
        first = _leaf(errors)
    else:
        return
    others = [f"{each.spec.name}: {each.waits_for}" for each in children if each.waits_for]
    also = [other for other in others if not str(first).startswith(other.partition(":")[0] + " ")]
    raise StackError("\n".join([str(first), *(f"Not ready either: {other}" for other in also)]))


def _leaf(error: BaseException) -> BaseException:
    return _leaf(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


@contextmanager
def claimed(stack: Stack, report: Report) -> Iterator[None]:
    """Holds the data directory: alone, nothing left over in it, all ports free. Raises StackError."""
    stack.layout.create()
    with supervising(stack.layout):
        if left := sweep(stack.layout):
            report(f"ended what an earlier run left behind: {', '.join(left)}")
        prepare.refuse_taken_ports(stack)
        yield


@asynccontextmanager
async def running(stack: Stack, report: Report) -> AsyncIterator[asyncio.Event]:
    """A running stack; ends when the block does. The event is set when SIGINT, SIGTERM or SIGHUP arrives."""
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    with claimed(stack, report):
        supervisor = Supervisor(stack)
        start = asyncio.ensure_future(supervisor.start(report))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, _ask_to_end, end, start)
        try:
            await _finished(start, end)
            yield end
        finally:
            report("stopping")
            await asyncio.shield(supervisor.stop())


def _ask_to_end(end: asyncio.Event, start: "asyncio.Future[None]") -> None:
    end.set()
    start.cancel()


async def _finished(start: "asyncio.Future[None]", end: asyncio.Event) -> None:
    try:
        await start
    except asyncio.CancelledError:
        if not end.is_set():
            raise
        raise StackError("stopped while it was starting") from None
