"""The whole embedded stack for tests: real engines, real services, on ports of its own, gone afterwards."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from libs.devstack import api
from libs.devstack.layout import Layout
from libs.devstack.prepare import is_free
from libs.devstack.stack import Stack
from libs.devstack.state import StackState
from libs.devstack.table import POSTGRES_OFFSET

WANLIU = (sys.executable, "-m", "libs.devstack.cli")
START_SECONDS = 120


class RunningStack(Stack):
    """A stack that a test may talk to and harm."""

    def wanliu(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Runs the command on this stack."""
        return wanliu(*words, "--data", str(self.layout.root))

    def create_source(self, name: str, channel: str = "web") -> str:
        """Creates a source and returns its write key."""
        with api.client(self, "ingest", ["ingest:admin"]) as http:
            created: dict[str, Any] = api.answer(http.post("/v1/sources", json={"name": name, "channel": channel}))
        return str(created["write_key"])

    def catchup(self, patience: float = 60) -> None:
        """Returns when every consumer has applied the log's present tail."""
        done = self.wanliu("catchup", "--timeout", str(patience))
        assert done.returncode == 0, done.stderr

    def pids(self) -> dict[str, int]:
        """The pid of every process by name, as of now."""
        return {name: process.pid for name, process in StackState.load(self.layout).processes.items()}

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> int:
        """Sends a signal to a process of the stack and returns its pid."""
        pid = self.pids()[name]
        os.kill(pid, number)
        return pid


StackFactory = Callable[[], RunningStack]


def wanliu(*words: str) -> "subprocess.CompletedProcess[str]":
    """Runs the command, output captured."""
    return subprocess.run([*WANLIU, *words], capture_output=True, text=True, timeout=START_SECONDS, check=False)


def free_port_base() -> int:
    """The first of a range of ports that are free now, below those that the system hands out by itself."""
    choices = random.Random(os.urandom(8))
    while True:
        base = choices.randrange(10_000, 32_000, 100)
        if all(is_free(base + offset) for offset in range(POSTGRES_OFFSET + 1)):
            return base


def start_stack(data: Path) -> RunningStack:
    """Starts a stack in a directory; the caller stops it."""
    done = wanliu("up", "--detach", "--data", str(data), "--port-base", str(free_port_base()))
    assert done.returncode == 0, done.stderr
    return RunningStack.open(Layout.at(data))


def stop_stack(data: Path) -> None:
    """Stops what runs in a directory; fine when nothing does."""
    done = wanliu("down", "--data", str(data))
    assert done.returncode == 0, done.stderr


@pytest.fixture
def new_stack(tmp_path: Path) -> Iterator[StackFactory]:
    """Makes stacks that one test has for itself."""
    directories: list[Path] = []

    def start() -> RunningStack:
        directories.append(tmp_path / f"stack{len(directories)}")
        return start_stack(directories[-1])

    yield start
    for directory in directories:
        stop_stack(directory)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """One stack that tests share; use sources and people of your own in it, and harm it in no way."""
    data = tmp_path_factory.mktemp("shared") / "stack"
    try:
        yield start_stack(data)
    finally:
        stop_stack(data)
