"""A process that follows a log into a history and is killed while it inserts; run by test_insights_kills.py.

A kill from outside nearly always finds it between two inserts (m: 0 of 12 left a row), so it strikes itself, with
the same signal: a random moment after an insert began (even seeds), or right after it, before the position is
committed (odd ones).
"""

import asyncio
import os
import pickle
import random
import signal
import sys
import threading
from pathlib import Path
from typing import Any, NamedTuple

from libs.common import projection
from libs.common.contracts.stitched import STITCHED
from libs.common.db import open_engine as open_database
from libs.common.eventlog.base import stitched_stream
from libs.common.eventlog.memory import MemoryLog
from libs.common.projection import ProjectionConsumer
from services.insights import history
from services.insights.engine import open_engine
from services.insights.projection import InsightsProjection
from tests.integration.profile.world import DictVault

BATCH_ENTRIES = 3
INSERT_SECONDS = 0.05


class Job(NamedTuple):
    """Everything the child needs, pickled into a file."""

    url: str
    directory: str
    log_id: str
    entries: list[bytes]
    data_keys: dict[bytes, bytes]


async def follow(job: Job) -> None:
    """Applies the log in small batches."""
    vault, log = DictVault(), MemoryLog()
    vault.data_keys = job.data_keys
    stream = stitched_stream(0)
    stored: Any = log._streams[stream]
    stored.id, stored.entries = job.log_id, list(job.entries)
    async with open_database(job.url, "insights") as database, open_engine(Path(job.directory)) as engine:
        applied = InsightsProjection(engine, vault, 0)
        await ProjectionConsumer(log, stream, 0, database, applied, STITCHED).catch_up()


def strike(seed: int) -> None:
    """From one of the next inserts on, the process has not long to live."""
    dice, insert = random.Random(seed), history.insert
    left = dice.randrange(1, 4)

    def struck(*given: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0 and seed % 2 == 0:
            threading.Timer(dice.uniform(0, INSERT_SECONDS), die).start()
        insert(*given)
        if left == 0:
            die()

    setattr(history, "insert", struck)  # noqa: B010 - a function put in another's place


def die() -> None:
    """kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    projection.BATCH_ENTRIES = BATCH_ENTRIES
    strike(int(sys.argv[2]))
    asyncio.run(follow(pickle.loads(Path(sys.argv[1]).read_bytes())))  # noqa: S301 - our own file
