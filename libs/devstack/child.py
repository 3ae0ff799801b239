"""One child process: started, probed until it is ready, restarted when it dies, stopped."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from libs.devstack import logs
from libs.devstack.errors import StackError
from libs.devstack.privileges import Identity
from libs.devstack.state import ProcessState

LAUNCHER = Path(__file__).with_name("launch.py")
PROBE_EVERY = 0.05
LONGEST_BACKOFF = 5.0
STABLE_AFTER = 30.0


class NotReady(Exception):
    """A probe's answer: not yet, and why."""


@dataclass(frozen=True)
class Spec:
    """How to run a program: `probe` raises NotReady until it can serve; `stop` asks it to end."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    port: int
    directory: Path
    log: Path
    probe: Callable[[], Awaitable[None]]
    stop: signal.Signals = signal.SIGTERM
    identity: Identity = field(default_factory=Identity)


def launch_command(command: tuple[str, ...], stop: signal.Signals, identity: Identity) -> list[str]:
    """The command that ends with us, see launch.py."""
    words = (stop.value, identity.uid, identity.gid, identity.capability, os.getpid())
    return [sys.executable, "-I", "-S", str(LAUNCHER), *map(str, words), "--", *command]


class Child:
    """A program that is kept alive. `changed` is called whenever its pid changes.

    `waits_for` is what keeps it from being ready, as the last probe said.
    """

    def __init__(self, spec: Spec, changed: Callable[[], None]) -> None:
        self.spec = spec
        self._changed = changed
        self._process: Process | None = None
        self._restarts = 0
        self._stopping = False
        self.waits_for = ""

    @property
    def state(self) -> ProcessState | None:
        """What stack.json says about it; None before it was first started."""
        if self._process is None:
            return None
        return ProcessState(self._process.pid, self.spec.port, self._restarts)

    async def start(self) -> None:
        """Starts the program; its output goes to its log."""
        with self.spec.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *launch_command(self.spec.command, self.spec.stop, self.spec.identity),
                stdin=DEVNULL,
                stdout=log,
                stderr=STDOUT,
                env=dict(self.spec.environment),
                cwd=self.spec.directory,
                start_new_session=True,
            )
        self._changed()

    async def until_ready(self, patience: float) -> None:
        """Returns when the probe succeeds. After `patience` seconds, or when the program ends, raises
        StackError with the reason and the log's last lines."""
        assert self._process is not None  # noqa: S101 - start() comes first
        self.waits_for = "it never answered"
        deadline = asyncio.get_running_loop().time() + patience
        while asyncio.get_running_loop().time() < deadline:
            if self._process.returncode is not None:
                raise self._failure(f"ended with exit code {self._process.returncode} while starting")
            try:
                await self.spec.probe()
                self.waits_for = ""
                return
            except NotReady as error:
                self.waits_for = str(error)
            await asyncio.sleep(PROBE_EVERY)
        raise self._failure(f"is not ready after {patience:.0f} s: {self.waits_for}")

    def _failure(self, what: str) -> StackError:
        lines = logs.tail(self.spec.log)
        shown = f"\nIts log {self.spec.log} ends with:\n{lines}" if lines else ""
        return StackError(f"{self.spec.name} {what}.{shown}")

    async def keep_alive(self) -> None:
        """Starts it again whenever it ends: at once the first time, then ever later; until `stop`."""
        clock = asyncio.get_running_loop().time
        backoff = 0.0
        while self._process is not None:
            started = clock()
            await self._process.wait()
            if self._stopping:
                return
            backoff = 0.0 if clock() - started > STABLE_AFTER else backoff
            await asyncio.sleep(backoff)
            backoff = min(max(2 * backoff, 0.2), LONGEST_BACKOFF)
            if not self._stopping:
                self._restarts += 1
                await self._start_again()

    async def _start_again(self) -> None:
        try:
            await self.start()
        except OSError as error:  # a full disk, no process to be had: it ends, so the next round tries again
            structlog.get_logger().warning("not started", process=self.spec.name, error=str(error))

    def end(self) -> None:
        """Asks it to end; `keep_alive` starts it again."""
        if self._process is not None and self._process.returncode is None:
            self._send(self._process, self.spec.stop)

    async def stop(self, patience: float) -> None:
        """Asks it to end; after `patience` seconds makes it end."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._send(process, self.spec.stop)
        try:
            await asyncio.wait_for(process.wait(), patience)
        except TimeoutError:
            self._send(process, signal.SIGKILL)
            await process.wait()

    def _send(self, process: Process, number: signal.Signals) -> None:
        try:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)  # a frozen process hears nothing else
        except ProcessLookupError:
            return
