"""Real PostgreSQL for tests: one server a session, one database a test, cloned from a migrated template.

`database("identity")` gives an engine in the service's schema of a fresh database.
"""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common import migrate
from libs.common.db import open_engine
from libs.devstack import launch
from libs.devstack.postgres import binaries
from libs.devstack.privileges import Identity, postgres_identity

Database = Callable[..., Awaitable[AsyncEngine]]
_numbers = itertools.count(1)


@dataclass
class PostgresServer:
    """A throw-away server. fsync is off: nothing of it outlives the session."""

    port: int
    data: Path
    templates: set[str] = field(default_factory=set)

    def url(self, database: str) -> str:
        """For SQLAlchemy on asyncpg."""
        return f"postgresql+asyncpg://postgres@127.0.0.1:{self.port}/{database}"

    async def _administer(self, *statements: str) -> None:
        connection = await asyncpg.connect(host="127.0.0.1", port=self.port, user="postgres", database="postgres")
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def fresh(self, service: str, schema: str) -> str:
        """The url of a new database with the service's schema at its newest migration."""
        template, name = f"template_{service.replace('/', '_')}", f"test_{os.getpid()}_{next(_numbers)}"
        if service not in self.templates:
            await self._administer(f"CREATE DATABASE {template}")
            connection = await asyncpg.connect(host="127.0.0.1", port=self.port, user="postgres", database=template)
            await connection.execute(f"CREATE SCHEMA {schema}")
            await connection.close()
            await migrate.upgrade(self.url(template), schema, service)
            self.templates.add(service)
        await self._administer(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return self.url(name)

    @asynccontextmanager
    async def empty(self, schema: str) -> AsyncIterator[AsyncEngine]:
        """An engine in an empty schema of a new database."""
        name = f"test_{os.getpid()}_{next(_numbers)}"
        await self._administer(f"CREATE DATABASE {name}")
        async with open_engine(self.url(name), schema) as engine:
            async with engine.begin() as connection:
                await connection.execute(text(f"CREATE SCHEMA {schema}"))
            yield engine


def free_port() -> int:
    """A port on loopback that nobody listened on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _command(identity: Identity, *program: str) -> list[str]:
    arguments = [int(signal.SIGTERM), identity.uid, identity.gid, identity.capability, os.getpid()]
    return [sys.executable, str(launch.__file__), *map(str, arguments), "--", *program]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The session's server."""
    root = Path(tempfile.mkdtemp(prefix="wanliu-pg-"))
    root.chmod(0o711)
    data, programs, port = root / "data", binaries(), free_port()
    data.mkdir(mode=0o700)
    identity = postgres_identity([data, programs / "postgres"])
    if identity.uid >= 0:
        os.chown(data, identity.uid, identity.gid)
    subprocess.run(
        _command(
            identity,
            *(str(programs / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync"),
            *("--encoding=UTF8", "--locale=C"),
        ),
        check=True,
        stdout=subprocess.DEVNULL,
        cwd="/",
    )
    options = f"port={port} listen_addresses=127.0.0.1 unix_socket_directories= fsync=off max_connections=60"
    flags = [word for option in options.split() for word in ("-c", option)]
    with (root / "log").open("w") as log:
        server = subprocess.Popen(
            _command(identity, str(programs / "postgres"), "-D", str(data), *flags), stderr=log, cwd="/"
        )
        try:
            _wait_until_ready(port, server, root / "log")
            yield PostgresServer(port, data)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=20)
            shutil.rmtree(root, ignore_errors=True)


def _wait_until_ready(port: int, server: "subprocess.Popen[bytes]", log: Path) -> None:
    probe = [str(binaries() / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.poll() is None:
        if subprocess.run(probe).returncode == 0:
            return
        time.sleep(0.02)
    raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}")


@pytest.fixture
async def database(postgres: PostgresServer) -> AsyncIterator[Database]:
    """Makes engines on fresh databases, one per call: `await database("identity")`."""
    async with AsyncExitStack() as stack:

        async def make(service: str, schema: str = "") -> AsyncEngine:
            url = await postgres.fresh(service, schema or service)
            return await stack.enter_async_context(open_engine(url, schema or service))

        yield make
