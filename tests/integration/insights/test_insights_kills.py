"""kill -9 of the owner at random moments of its work: whatever it left, the figures are exact afterwards."""

import asyncio
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from libs.common.contracts.body import Money
from libs.common.eventlog.base import stitched_stream
from libs.common.eventlog.memory import MemoryLog
from services.insights.engine import DirectoryInUse, open_engine
from services.insights.queries import Sums
from tests.integration.insights.history import open_history
from tests.integration.insights.killed_child import Job
from tests.integration.profile.world import NOON, Sent, World, customer, ids, track
from tests.postgres import Database

ROOT = Path(__file__).parents[3]
KILLS, ENTRIES, EACH, PEOPLE = 10, 240, 25, 40
BEYOND = "SELECT count() FROM {{g}}.events WHERE entry > {position}"
"""What the last kill left."""


def busy_world() -> World:
    """Orders of one fen more each, by people who are merged in pairs as it goes on."""
    world, number = World(), 0
    for entry in range(ENTRIES):
        sent = []
        for _ in range(EACH):
            person, number = number % PEOPLE, number + 1
            body = track("Order Completed", ("web", "app")[number % 2], money=Money(number, "CNY"))
            sent.append(Sent(customer(f"p{person}"), ids(user_id=f"u{person}"), body, NOON + number))
        world.send(*sent)
        if entry % 24 == 23:
            pair = entry // 24 * 2
            world.merge(customer(f"p{pair}"), customer(f"p{pair + 1}"))
    return world


def kill_while_it_inserts(job: Path, seed: int) -> None:
    command = [sys.executable, "-m", "tests.integration.insights.killed_child", str(job), str(seed)]
    died = subprocess.run(command, cwd=ROOT, timeout=120, check=False)
    assert died.returncode == -signal.SIGKILL


@pytest.mark.slow
async def test_the_figures_are_exact_after_kills_in_the_middle_of_inserts(database: Database, tmp_path: Path) -> None:
    world, log = busy_world(), MemoryLog()
    await world.write(log)
    tables, directory = await database("insights"), tmp_path / "insights"
    stream, url = stitched_stream(0), tables.url.render_as_string(hide_password=False)
    job = Job(url, str(directory), await log.log_id(stream), log._streams[stream].entries, world.vault.data_keys)
    (tmp_path / "job").write_bytes(pickle.dumps(job))
    for seed in range(KILLS):
        await asyncio.to_thread(kill_while_it_inserts, tmp_path / "job", seed)
    async with open_history(world, log, tables, directory) as history:
        assert await history.ask(BEYOND.format(position=(await history.standing()).positions[0])) != [(0,)]
        await history.consumer().catch_up()
        count = ENTRIES * EACH
        revenue = {"CNY": count * (count + 1) // 2}
        assert await history.total() == Sums(count, PEOPLE - ENTRIES // 24, count, revenue)
        assert await history.ask("SELECT count(), uniqExact(position, idx) FROM {g}.events") == [(count, count)]
        assert await history.accounts() == {"source-a": (count, 0)}


async def test_a_second_owner_is_told_who_the_first_is(tmp_path: Path) -> None:
    directory = tmp_path / "insights"
    async with open_engine(directory):
        with pytest.raises(DirectoryInUse, match=r"belongs to the running process \d+: .* one owner"):
            async with open_engine(directory):
                pass
    async with open_engine(directory):
        pass
