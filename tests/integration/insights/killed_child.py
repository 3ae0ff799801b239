"""A process that follows a log into a history until it is killed; run by test_insights_kills.py."""

import asyncio
import pickle
import sys
from pathlib import Path
from typing import Any, NamedTuple

from libs.common import projection
from libs.common.contracts.stitched import STITCHED
from libs.common.db import open_engine as open_database
from libs.common.eventlog.base import stitched_stream
from libs.common.eventlog.memory import MemoryLog
from libs.common.projection import ProjectionConsumer
from services.insights.engine import open_engine
from services.insights.projection import InsightsProjection
from tests.integration.profile.world import DictVault

BATCH_ENTRIES = 3


class Job(NamedTuple):
    """Everything the child needs, pickled into a file."""

    url: str
    directory: str
    log_id: str
    entries: list[bytes]
    data_keys: dict[bytes, bytes]


async def follow(job: Job) -> None:
    """Says `ready`, then applies the log in small batches, then says `done`."""
    vault, log = DictVault(), MemoryLog()
    vault.data_keys = job.data_keys
    stream = stitched_stream(0)
    stored: Any = log._streams[stream]
    stored.id, stored.entries = job.log_id, list(job.entries)
    async with open_database(job.url, "insights") as database, open_engine(Path(job.directory)) as engine:
        print("ready", flush=True)
        applied = InsightsProjection(engine, vault, 0)
        await ProjectionConsumer(log, stream, 0, database, applied, STITCHED).catch_up()
    print("done", flush=True)


if __name__ == "__main__":
    projection.BATCH_ENTRIES = BATCH_ENTRIES
    asyncio.run(follow(pickle.loads(Path(sys.argv[1]).read_bytes())))  # noqa: S301 - our own file
