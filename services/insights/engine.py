"""ClickHouse inside this process (chDB): one owner of the directory, one writer, a few readers.

Each client is a session of its own on the one engine: a shared one makes an insert wait behind queries (m: 5 s).
Calls run on threads; the engine works without the interpreter's lock.
"""

import asyncio
import fcntl
import functools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from libs.common.errors import Unavailable

T = TypeVar("T")


class DirectoryInUse(Exception):
    """Another process owns the directory."""


@contextmanager
def owning(directory: Path) -> Iterator[None]:
    """Holds the directory's lock. Raises DirectoryInUse when another process does: chDB allows one owner."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(directory / "owner", "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise DirectoryInUse(
                f"{directory} belongs to the running process {file.read().strip() or '?'}: the embedded ClickHouse "
                "has one owner. Stop that process first, or give this one another WANLIU_INSIGHTS_DIR"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


class Engine:
    """The clients. All methods raise clickhouse_connect's own errors."""

    def __init__(self, path: Path, readers: int) -> None:
        self._path = str(path)
        self._writing = ThreadPoolExecutor(1, "insights-writer")
        self._reading = ThreadPoolExecutor(readers, "insights-reader")
        self._tending = ThreadPoolExecutor(1, "insights-tender")
        self._clients: list[Client] = []
        self._readers: asyncio.Queue[Client] = asyncio.Queue()

    async def open(self, readers: int, settings: dict[str, Any]) -> None:
        """Starts the engine in the directory and connects."""
        self._writer = await self._connect({})
        self._tender = await self._connect({})
        for _ in range(readers):
            self._readers.put_nowait(await self._connect(settings))

    async def _connect(self, settings: dict[str, Any]) -> Client:
        make = functools.partial(clickhouse_connect.get_client, interface="chdb", path=self._path, settings=settings)
        client = await asyncio.get_running_loop().run_in_executor(self._writing, make)
        self._clients.append(client)
        return client

    async def write(self, call: Callable[[Client], T]) -> T:
        """Runs `call` with the only writer; one after the other."""
        return await asyncio.get_running_loop().run_in_executor(self._writing, call, self._writer)

    async def tend(self, call: Callable[[Client], T]) -> T:
        """Runs `call` beside the writer: what may take long, such as physical deletes."""
        return await asyncio.get_running_loop().run_in_executor(self._tending, call, self._tender)

    async def read(self, call: Callable[[Client], T]) -> T:
        """Runs `call` with a reader, when one is free."""
        client = await self._readers.get()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reading, call, client)
        finally:
            self._readers.put_nowait(client)

    async def close(self) -> None:
        """Waits for running calls, then closes the engine."""
        for pool in (self._reading, self._tending, self._writing):
            await asyncio.to_thread(pool.shutdown)
        for client in self._clients:
            await asyncio.to_thread(client.close)


@asynccontextmanager
async def open_engine(
    directory: Path, *, readers: int = 2, seconds: int = 20, memory: int = 2 * 1024**3
) -> AsyncIterator[Engine]:
    """The engine on `directory/chdb`, closed at exit. A question may take `seconds` and `memory` bytes."""
    with owning(directory), _inserting_in(directory / "incoming"):
        engine = Engine(directory / "chdb", readers)
        try:
            await engine.open(readers, {"max_execution_time": seconds, "max_memory_usage": memory})
            yield engine
        finally:
            await engine.close()


@contextmanager
def _inserting_in(directory: Path) -> Iterator[None]:
    """The driver hands a block to chDB as a temporary file: in our directory, so that a kill leaves it nowhere else."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(mode=0o700)
    before, tempfile.tempdir = tempfile.tempdir, str(directory)
    try:
        yield
    finally:
        tempfile.tempdir = before


def unavailable(error: ClickHouseError) -> Unavailable:
    """What a caller is told; the engine's own words may hold SQL."""
    return Unavailable(f"the history did not answer ({type(error).__name__}): ask for less, or again", retry_after=5)
