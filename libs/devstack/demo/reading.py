"""What a tool asks the APIs, with a token for purpose `service` and nothing more than it needs."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import httpx

from libs.devstack.api import answer, client
from libs.devstack.demo.checks import must_equal
from libs.devstack.demo.shop import History
from libs.devstack.stack import Stack

PURPOSE = {"purpose": "service"}
READER = (("profiles:read",), ("service",))
AT_ONCE = 8
NOT_FOUND = 404


def look_up(stack: Stack, identifiers: Mapping[str, str]) -> dict[str, dict[str, Any] | None]:
    """Kind -> the profile that its identifier leads to, None where the answer was 404."""
    found: dict[str, dict[str, Any] | None] = {}
    with client(stack, "profile", *READER) as http:
        for kind, value in identifiers.items():
            response = http.post("/v1/profiles:lookup", params=PURPOSE, json={"kind": kind, "value": value})
            found[kind] = None if response.status_code == NOT_FOUND else answer(response)
    return found


def exists(stack: Stack, customer: str) -> bool:
    """Whether there is a profile of that customer id."""
    with client(stack, "profile", *READER) as http:
        response = http.get(f"/v1/profiles/{customer}", params=PURPOSE)
    return response.status_code != NOT_FOUND and bool(answer(response))


def timeline(stack: Stack, customer: str) -> list[dict[str, Any]]:
    """The customer's events, oldest first."""
    with client(stack, "profile", *READER) as http:
        events = answer(http.get(f"/v1/profiles/{customer}/timeline", params={**PURPOSE, "limit": "100"}))["events"]
    return list(reversed(events))


def refusals_between(stack: Stack, one: str, other: str) -> list[dict[str, Any]]:
    """What identity did not link because it would have joined these two customers."""
    found: list[dict[str, Any]] = []
    after: int | None = 0
    with client(stack, "identity", ("identity:read",)) as http:
        while after is not None:
            page = answer(http.get("/v1/refusals", params={"after": after, "limit": 1000}))
            found += [refusal for refusal in page["refusals"] if {one, other} <= set(refusal["customers"])]
            after = page["next"]
    return found


def rejects(stack: Stack, source: str) -> list[dict[str, Any]]:
    """What ingest refused of a source, newest first."""
    with client(stack, "ingest", ("ingest:admin",)) as http:
        return list(answer(http.get("/v1/quarantine", params={"source": source}))["rejects"])


async def check_history(stack: Stack, history: History, checked: Callable[[], object]) -> int:
    """Looks up every customer of a history by card and compares orders and money with it. Returns how many there are.

    Raises StoryBroken at the first customer that is not exactly as the history says.
    """
    expected: dict[str, list[int]] = {}
    for one in history.purchases:
        sums = expected.setdefault(one.customer, [0, 0])
        sums[0], sums[1] = sums[0] + 1, sums[1] + one.cents
    queue = iter(expected.items())
    ids: set[str] = set()
    headers = {"Authorization": f"Bearer {stack.token(*READER, ttl=3600)}"}
    async with httpx.AsyncClient(base_url=stack.url("profile"), headers=headers, timeout=30, trust_env=False) as http:
        await asyncio.gather(*(_check_some(http, history, queue, ids, checked) for _ in range(AT_ONCE)))
    must_equal(len(ids), len(expected), "the number of customers")
    return len(ids)


async def _check_some(
    http: httpx.AsyncClient,
    history: History,
    queue: Iterable[tuple[str, list[int]]],
    ids: set[str],
    checked: Callable[[], object],
) -> None:
    for customer, (orders, cents) in queue:
        card = history.card(customer)
        body = {"kind": "member_card", "value": card}
        profile = answer(await http.post("/v1/profiles:lookup", params=PURPOSE, json=body))
        metrics = profile["metrics"]
        must_equal((metrics["orders"], metrics["revenue"].get("USD", 0)), (orders, cents), f"(orders, cents) of {card}")
        ids.add(profile["customer_id"])
        checked()
