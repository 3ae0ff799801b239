"""Segments on a whole stack: events and withdrawals take effect within seconds, erasure for good, replays agree."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from libs.devstack import api
from tests.stack import RunningStack

pytestmark = pytest.mark.stack

EFFECTIVE_SECONDS = 5.0
ERASED_SECONDS = 30.0
ORDER = "Order Completed in the segments test"  # nobody else on the shared stack sends it
BUYERS = {"event": {"name": ORDER, "within": {"days": 30}}}
PURPOSES = ("service", "marketing")


@contextmanager
def segments(stack: RunningStack) -> Iterator[httpx.Client]:
    with api.client(stack, "segments", ("segments:read", "segments:write"), PURPOSES) as http:
        yield http


@contextmanager
def privacy(stack: RunningStack) -> Iterator[httpx.Client]:
    with api.client(stack, "privacy", ("privacy:read", "privacy:write")) as http:
        yield http


def buy(stack: RunningStack, key: str, user: str, event: str = ORDER) -> None:
    sent = {"type": "track", "userId": user, "event": event, "properties": {"revenue": 9.5}}
    with httpx.Client(base_url=stack.url("ingest"), auth=(key, ""), trust_env=False, timeout=30) as http:
        api.answer(http.post("/v1/batch", json={"batch": [sent]}))


def define(stack: RunningStack, name: str, purpose: str = "marketing", definition: Any = BUYERS) -> str:
    with segments(stack) as http:
        body = {"name": name, "purpose": purpose, "definition": definition}
        written = api.answer(http.post("/v1/segments", json=body))
        segment: str = written["segment"]
        api.answer(http.get(f"/v1/segments/{segment}", params={"at_least": written["position"]}))
    return segment


def decide(stack: RunningStack, user: str, what: str) -> None:
    who = {"identifiers": [{"kind": "user_id", "value": user}], "purpose": "marketing"}
    with privacy(stack) as http:
        api.answer(http.post(f"/v1/consents/{what}", json={**who, "method": "web_form", "notice": "2026-11"}))


def members(stack: RunningStack, segment: str) -> list[Any]:
    with segments(stack) as http:
        return list(api.answer(http.get(f"/v1/segments/{segment}/members", params={"purpose": "marketing"}))["members"])


def takes(seconds: float, holds: Callable[[], bool]) -> float:
    """How long it took; red after `seconds`."""
    start = time.monotonic()
    while not holds():
        assert time.monotonic() - start < seconds, f"not effective within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - start


def test_an_event_and_a_withdrawal_are_effective_within_five_seconds(stack: RunningStack) -> None:
    key, user, segment = stack.create_source("segments-e2e"), "segments-user-1", define(stack, "e2e buyers")
    buy(stack, key, "segments-user-0")
    stack.catchup()
    decide(stack, "segments-user-0", "grant")
    takes(EFFECTIVE_SECONDS, lambda: len(members(stack, segment)) == 1)
    buy(stack, key, user)
    stack.catchup()
    assert len(members(stack, segment)) == 1, "without consent nobody enters"
    decide(stack, user, "grant")
    entered = takes(EFFECTIVE_SECONDS, lambda: len(members(stack, segment)) == 2)
    buy(stack, key, "segments-user-2")
    other = define(stack, "e2e everybody", "service")
    with segments(stack) as http:

        def count() -> int:
            return int(api.answer(http.get(f"/v1/segments/{other}"))["members"])

        takes(EFFECTIVE_SECONDS, lambda: count() >= 3)
        before = count()
        buy(stack, key, "segments-user-3")
        by_event = takes(EFFECTIVE_SECONDS, lambda: count() == before + 1)
    decide(stack, user, "withdraw")
    left = takes(EFFECTIVE_SECONDS, lambda: len(members(stack, segment)) == 1)
    print(f"entered by consent in {entered:.2f} s, by event in {by_event:.2f} s, left in {left:.2f} s")
    customer = members(stack, segment)[0]["customer_id"]
    with segments(stack) as http:
        mine = api.answer(http.get(f"/v1/customers/{customer}/segments", params={"purpose": "marketing"}))
        assert [each["name"] for each in mine["segments"]] == ["e2e buyers"]
        wrong = http.get(f"/v1/segments/{segment}/members", params={"purpose": "service"})
        assert (wrong.status_code, wrong.json()["code"]) == (403, "forbidden")
        assert http.get("/v1/segments/seg_none", headers={}).json()["code"] == "not_found"


def test_the_erased_are_in_no_segment_and_a_replay_gives_the_same_digest(stack: RunningStack) -> None:
    key, user = stack.create_source("segments-erase"), "segments-user-9"
    segment = define(stack, "e2e erased", definition={"event": {"name": "Sighed"}})
    buy(stack, key, user, "Sighed")
    stack.catchup()
    decide(stack, user, "grant")
    takes(EFFECTIVE_SECONDS, lambda: len(members(stack, segment)) == 1)
    customer = members(stack, segment)[0]["customer_id"]
    with privacy(stack) as http:
        who = {"identifiers": [{"kind": "user_id", "value": user}]}
        request = api.answer(http.post("/v1/requests", json={"type": "deletion", **who}))["request"]
        api.answer(http.post(f"/v1/requests/{request}/confirm", json={"delay_seconds": 0}))

        def confirmed() -> bool:
            return bool(api.answer(http.get(f"/v1/requests/{request}"))["state"] == "completed")

        takes(ERASED_SECONDS, confirmed)
    assert members(stack, segment) == []
    with segments(stack) as http:
        gone = http.get(f"/v1/customers/{customer}/segments", params={"purpose": "service"})
        assert (gone.status_code, gone.json()["code"]) == (404, "not_found")
    done = stack.wanliu("replay", "segments")
    assert done.returncode == 0, done.stderr + done.stdout
