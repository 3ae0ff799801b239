"""What runs in a data directory, and who proves it.

The supervisor holds a lock on the directory while it lives; the file `stack.json` tells the rest of the world
what it started. A child is recognised by the mark in its environment (PostgreSQL's own children, which
overwrite it, by the directory they work in), never by a number in a file that may be stale.
"""

import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec
import psutil

from libs.devstack.credentials import write_private
from libs.devstack.errors import StackError
from libs.devstack.layout import Layout

MARK = "WANLIU_STACK"
STARTING, READY, STOPPING, DOWN = "starting", "ready", "stopping", "down"


class ProcessState(msgspec.Struct, frozen=True):
    """One child: its process id now, its port, how often it was restarted since `up`."""

    pid: int
    port: int
    restarts: int = 0


class StackState(msgspec.Struct, frozen=True):
    """The content of stack.json."""

    state: str
    supervisor: int
    port_base: int
    partitions: int
    workspace: str
    processes: dict[str, ProcessState] = {}

    @classmethod
    def load(cls, layout: Layout) -> Self:
        """What stands in the directory. Raises StackError when there never was a stack."""
        try:
            return msgspec.json.decode(layout.state.read_bytes(), type=cls)
        except FileNotFoundError:
            raise StackError(
                f"there is no stack in {layout.root}: `wanliu up` makes one, --data (or WANLIU_DATA) names another"
            ) from None
        except msgspec.DecodeError:
            raise StackError(
                f"{layout.state} is damaged: `wanliu down`, which does not need it, then `wanliu up` write it anew"
            ) from None

    def save(self, layout: Layout) -> None:
        """Replaces stack.json."""
        write_private(layout.state, msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n")


@contextmanager
def supervising(layout: Layout) -> Iterator[None]:
    """Holds the directory's lock. Raises StackError when another supervisor does."""
    with open(layout.lock, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError(
                f"a stack already runs in {layout.root}: `wanliu status` shows it, `wanliu down` stops it"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def supervisor_pid(layout: Layout) -> int | None:
    """The process that holds the lock, or None when nobody does."""
    try:
        file = open(layout.lock)  # noqa: SIM115 - closed below
    except FileNotFoundError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read() or 0) or None
    return None


def survivors(layout: Layout) -> list[psutil.Process]:
    """Every living process that a supervisor of this directory started."""
    root = str(layout.root)
    cluster = str(layout.postgres)
    return [process for process in psutil.process_iter() if _is_ours(process, root, cluster)]


def _is_ours(process: psutil.Process, root: str, cluster: str) -> bool:
    try:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        if process.environ().get(MARK) == root:
            return True
        return process.name() == "postgres" and process.cwd() == cluster
    except (psutil.Error, OSError):
        return False  # gone meanwhile, or another user's


def sweep(layout: Layout, patience: float = 10.0) -> list[str]:
    """Ends what a dead supervisor left running; returns the names. Only for the holder of the lock."""
    left = survivors(layout)
    names = [process.name() for process in left if process.is_running()]
    for process in left:
        _signal(process, signal.SIGINT if process.name() == "postgres" else signal.SIGTERM)
    _, stubborn = psutil.wait_procs(left, timeout=patience)
    for process in stubborn:
        _signal(process, signal.SIGKILL)
    psutil.wait_procs(stubborn, timeout=patience)
    _forget_dead_postmaster(layout.postgres)
    return names


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)  # a frozen process hears nothing else
    except psutil.NoSuchProcess:
        return


def _forget_dead_postmaster(cluster: Path) -> None:
    """Removes a pid file that a crash left: its number may belong to a stranger by now, and PostgreSQL would
    take that for a running server. Safe because no process works in the cluster any more."""
    (cluster / "postmaster.pid").unlink(missing_ok=True)
