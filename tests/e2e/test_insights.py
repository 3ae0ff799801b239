"""Channel figures on the whole stack: from an SDK's request to sums, through kills, erasure and replay."""

import json
import signal
from typing import Any

import httpx
import pytest

from libs.devstack import api
from tests.stack import RunningStack, StackFactory

pytestmark = pytest.mark.stack

SPAN = {"from": "2026-11-20", "to": "2026-11-21"}
KILLS, EVENTS = 4, 40


def send(stack: RunningStack, key: str, *events: dict[str, Any]) -> None:
    answer = httpx.post(
        stack.url("ingest") + "/v1/batch", json={"batch": list(events)}, auth=(key, ""), timeout=30, trust_env=False
    )
    assert answer.status_code == 200, answer.text


def event(number: int, person: int, name: str = "Order Completed", **more: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": name,
        "messageId": f"insights-{number}",
        "userId": f"insights-{person}",
        "timestamp": "2026-11-20T10:00:00Z",
        "properties": {"revenue": 10 + number / 100, "currency": "CNY"},
        **more,
    }


def ask(stack: RunningStack, path: str, **more: str) -> Any:
    with api.client(stack, "insights", ["insights:read"], ["service"]) as http:
        return api.answer(http.get(path, params={**SPAN, **more}))


def expected(numbers: range) -> dict[str, int]:
    return {"CNY": sum(1_000 + number for number in numbers)}


def test_figures_stay_exact_through_kills_erasure_and_replay(new_stack: StackFactory) -> None:
    stack = new_stack()
    web, app = stack.create_source("web shop"), stack.create_source("app", "app")
    ad = {"context": {"campaign": {"source": "douyin", "medium": "cpc", "name": "autumn"}}}
    send(stack, web, event(1_000, 0, "Page Viewed", **ad))
    for number in range(EVENTS):
        send(stack, web if number % 2 else app, event(number, number % 4))
        if number % (EVENTS // KILLS) == 0:
            stack.kill("insights", signal.SIGKILL)
            stack.catchup()
    stack.catchup()
    figures = ask(stack, "/v1/channels", by="total")
    assert figures["total"] == {
        "events": EVENTS + 1,
        "customers": 4,
        "orders": EVENTS,
        "revenue": expected(range(EVENTS)),
    }
    assert {cell["channel"]: cell["figures"]["orders"] for cell in figures["cells"]} == {"web": 20, "app": 20}
    credits = {credit["channel"]: credit for credit in ask(stack, "/v1/attribution")["credits"]}
    assert credits["web"]["revenue"] == expected(range(0, EVENTS, 4))
    assert credits["web"]["campaign"] == "autumn"
    assert credits["direct"]["orders"] == EVENTS - EVENTS // 4
    before = json.loads(stack.wanliu("digest", "insights", "--json").stdout)["digest"]
    replayed = json.loads(stack.wanliu("replay", "insights", "--json").stdout)
    assert (replayed["before"], replayed["after"]) == (before, before)
    assert stack.wanliu("reconcile").returncode == 0
    assert ask(stack, "/v1/channels", by="total")["total"] == figures["total"]


def test_without_scope_or_purpose_nothing_is_answered(stack: RunningStack) -> None:
    for scopes, purposes, code in (
        (["profiles:read"], ["service"], 403),
        (["insights:read"], [], 403),
        (["insights:read"], ["service"], 200),
    ):
        with api.client(stack, "insights", scopes, purposes) as http:
            answer = http.get("/v1/channels", params=SPAN)
        assert answer.status_code == code, answer.text
    with api.client(stack, "insights", ["insights:read"], ["analytics"]) as http:
        refused = http.get("/v1/channels", params={**SPAN, "purpose": "analytics"})
    assert refused.status_code == 403
    assert refused.headers["content-type"] == "application/problem+json"
    assert "consent" in refused.json()["detail"]
