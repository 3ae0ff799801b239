"""The central promise: whatever dies whenever, every acknowledged event counts once, for the right person.

A client outside the system journals what was acknowledged, while processes are killed, the broker freezes and
connections are cut. `make soak` runs the same for longer (WANLIU_FAULTS, WANLIU_PEOPLE, WANLIU_SEED).
"""

import asyncio
import json
import os
import random
import subprocess

import pytest

from libs.devstack import api
from libs.devstack.catchup import catch_up
from libs.devstack.stack import Stack
from tests.faults.chaos import Chaos
from tests.faults.crowd import Person, batches
from tests.faults.sending import Journal, send_all
from tests.faults.verifying import channel_figures, define_buyers, members, verify
from tests.proxy import Proxy
from tests.stack import WANLIU, StackFactory

FAULTS = int(os.environ.get("WANLIU_FAULTS", "36"))
PEOPLE = int(os.environ.get("WANLIU_PEOPLE", "300"))
SEED = int(os.environ.get("WANLIU_SEED", "20261121"))
EVENTS_EACH = 30
PAUSE_SECONDS = (0.3, 1.3)
PACE_SECONDS = 0.18  # between two batches, so that the load lasts longer than the harm


def wanliu(stack: Stack, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [*WANLIU, *words, "--data", str(stack.layout.root)], capture_output=True, text=True, timeout=300
    )


@pytest.mark.stack
@pytest.mark.slow
async def test_no_acknowledged_event_is_lost_or_doubled_whatever_dies(new_stack: StackFactory) -> None:
    stack = await asyncio.to_thread(new_stack)
    with api.client(stack, "ingest", ["ingest:admin"]) as ingest:
        key = api.answer(ingest.post("/v1/sources", json={"name": "crowd", "channel": "web"}))["write_key"]
    buyers = define_buyers(stack)
    people = [Person(number, f"x{SEED}") for number in range(PEOPLE)]
    todo = batches(people, SEED, EVENTS_EACH, size=20)
    journal = Journal()
    async with Proxy.to(stack.url("ingest")) as proxy:
        chaos = Chaos(stack, proxy, random.Random(SEED))
        sending = asyncio.create_task(send_all(proxy.url, key, todo, journal, clients=4, seed=SEED, pace=PACE_SECONDS))
        await chaos.run(FAULTS, PAUSE_SECONDS)
        assert not sending.done(), "the load ended before the harm: raise PACE_SECONDS or WANLIU_PEOPLE"
        await sending
        assert journal.acknowledged == {message for person in people for message in person.sent}
    await catch_up(stack, 120)
    verdict = await verify(stack, people)
    print(f"\n{verdict}; faults={chaos.done.total()} {dict(chaos.done)}; attempts={journal.attempts}")
    assert chaos.done.total() >= FAULTS
    assert verdict.exact, verdict
    said, sent = channel_figures(stack, people)
    assert said == sent, "channel figures are not what was sent"
    assert len(members(stack, buyers)) == len(people), "not everybody who ordered is a member"
    for service in ("ingest", "identity", "profile", "privacy", "segments", "insights"):
        replayed = json.loads(wanliu(stack, "replay", service, "--json").stdout)
        assert replayed["before"] == replayed["after"], f"a replay of {service} gives another state"
    balance = wanliu(stack, "reconcile", "--json")
    assert balance.returncode == 0, balance.stdout + balance.stderr
