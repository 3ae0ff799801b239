"""What verifies the whole stack can turn red: an ingest that answers too early loses events, and is found out."""

import os
import signal
from pathlib import Path

import pytest

from libs.devstack import api, specs
from libs.devstack.catchup import catch_up
from libs.devstack.credentials import Credentials
from libs.devstack.layout import Layout
from libs.devstack.stack import Stack
from libs.devstack.state import StackState
from libs.devstack.supervisor import running
from tests.faults.crowd import Person, batches
from tests.faults.sending import Journal, send_all
from tests.faults.verifying import verify
from tests.stack import free_port_base

TOO_EARLY = """
import asyncio, sys

if any("services.ingest.app" in word for word in sys.orig_argv):
    from services.ingest.commit import Committer

    wait, kept = Committer.submit, set()

    async def answer_before_the_broker_has_stored(self, source, pieces):
        kept.add(asyncio.create_task(wait(self, source, pieces)))

    Committer.submit = answer_before_the_broker_has_stored
"""


async def send(stack: Stack, key: str, people: list[Person], journal: Journal) -> None:
    todo = batches(people, seed=1, events=6, size=20)
    await send_all(stack.url("ingest"), key, todo, journal, clients=2, seed=1)


@pytest.mark.stack
@pytest.mark.slow
async def test_an_ingest_that_answers_before_the_broker_has_stored_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(TOO_EARLY)
    monkeypatch.setattr(specs, "CODE", f"{tmp_path}{os.pathsep}{specs.CODE}")
    layout = Layout.at(tmp_path / "stack")
    stack = Stack(layout, Credentials(layout), free_port_base(), 1, "default")
    people = [Person(number, "m") for number in range(20)]
    journal = Journal()
    async with running(stack, lambda _: None):
        with api.client(stack, "ingest", ["ingest:admin"]) as ingest:
            key = api.answer(ingest.post("/v1/sources", json={"name": "crowd", "channel": "web"}))["write_key"]
        await send(stack, key, people, journal)
        await catch_up(stack, 60)
        assert (await verify(stack, people)).exact

        pids = {name: process.pid for name, process in StackState.load(layout).processes.items()}
        os.kill(pids["nats"], signal.SIGSTOP)
        await send(stack, key, people, journal)  # answered although the broker stands still
        os.kill(pids["ingest"], signal.SIGKILL)
        os.kill(pids["nats"], signal.SIGCONT)
        assert journal.acknowledged == {message for person in people for message in person.sent}
        await catch_up(stack, 60)
        verdict = await verify(stack, people)
    print(f"\n{verdict}")
    assert verdict.missing > 0
