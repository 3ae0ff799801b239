"""Faults at random moments: kill -9 of any process, a frozen broker, cut connections."""

import asyncio
import os
import random
import signal
from collections import Counter
from dataclasses import dataclass, field

import asyncpg

from libs.devstack.stack import Stack
from libs.devstack.state import StackState
from tests.proxy import Proxy

FREEZE_SECONDS = 1.0
ENGINES = ("nats", "postgres")


@dataclass
class Chaos:
    """Does harm to one running stack and counts it."""

    stack: Stack
    proxy: Proxy
    draw: random.Random
    done: Counter[str] = field(default_factory=Counter)

    def _pids(self) -> dict[str, int]:
        state = StackState.load(self.stack.layout)
        return {name: process.pid for name, process in state.processes.items()}

    async def run(self, faults: int, pause: tuple[float, float]) -> None:
        """Does `faults` faults with a random pause (seconds, from and to) before each."""
        while self.done.total() < faults:
            await asyncio.sleep(self.draw.uniform(*pause))
            await self.draw.choices([self._kill, self._freeze, self._cut_clients, self._cut_database], [12, 1, 2, 2])[
                0
            ]()

    async def _kill(self) -> None:
        """kill -9 of a random process; every process has the same chance."""
        pids = self._pids()
        name = self.draw.choice(sorted(pids))
        try:
            os.kill(pids[name], signal.SIGKILL)
        except ProcessLookupError:
            return  # it is just being restarted after an earlier kill: not a fault of its own
        self.done[f"kill {name}"] += 1

    async def _freeze(self) -> None:
        """The broker stands still, then goes on as if nothing had been."""
        pid = self._pids()["nats"]
        try:
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(FREEZE_SECONDS)
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            return
        self.done["freeze nats"] += 1

    async def _cut_clients(self) -> None:
        """Every HTTP connection of the clients is reset."""
        self.proxy.cut()
        self.done["cut clients"] += 1

    async def _cut_database(self) -> None:
        """Every database connection of the services is ended by the server."""
        try:
            connection = await self.stack.postgres.connect()
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            await connection.close()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return  # the server is just being restarted
        self.done["cut database"] += 1
