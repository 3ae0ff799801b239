"""What the outside can know: every acknowledged event once in the one profile where it belongs, and the accounts."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

import httpx

from libs.devstack import api
from libs.devstack.stack import Stack
from tests.faults.crowd import START, Person

PAGE = 500


@dataclass
class Verdict:
    """Counts over everybody; all but `events` must be zero."""

    events: int = 0
    missing: int = 0
    doubled: int = 0
    phantom: int = 0
    split: list[int] = field(default_factory=list)
    wrong_sums: list[int] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"missing={self.missing} of {self.events}, doubled={self.doubled}, phantom={self.phantom}, "
            f"split={len(self.split)}, wrong sums={len(self.wrong_sums)}"
        )

    @property
    def exact(self) -> bool:
        """Whether nothing was lost, doubled, invented or torn apart."""
        return not (self.missing or self.doubled or self.phantom or self.split or self.wrong_sums)


async def verify(stack: Stack, people: list[Person]) -> Verdict:
    """Asks the profile API about everybody, by every identifier."""
    token = stack.token(["profiles:read"], ["service"], ttl=1800)
    verdict = Verdict()
    turn = asyncio.Semaphore(8)

    async def one(person: Person) -> None:
        async with turn:
            await _verify_person(client, person, verdict)

    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx.AsyncClient(base_url=stack.url("profile"), headers=headers, timeout=60, trust_env=False) as client,
        asyncio.TaskGroup() as group,
    ):
        for person in people:
            group.create_task(one(person))
    return verdict


async def _verify_person(client: httpx.AsyncClient, person: Person, verdict: Verdict) -> None:
    found: set[str] = set()
    for kind, value in person.identifiers:
        answer = await client.post(
            "/v1/profiles:lookup", params={"purpose": "service"}, json={"kind": kind, "value": value}
        )
        found.add(answer.json()["customer_id"] if answer.status_code == 200 else f"{kind}: {answer.status_code}")
    verdict.events += len(person.sent)
    if len(found) != 1:
        verdict.split.append(person.number)
    customer = next(iter(found))
    if not customer.startswith("cus_"):
        verdict.missing += len(person.sent)
        return
    seen = Counter(await _message_ids(client, customer))
    verdict.missing += len(set(person.sent) - seen.keys())
    verdict.phantom += len(seen.keys() - set(person.sent))
    verdict.doubled += sum(times - 1 for times in seen.values())
    profile = (await client.get(f"/v1/profiles/{customer}", params={"purpose": "service"})).json()
    if not _sums_are_right(profile["metrics"], person):
        verdict.wrong_sums.append(person.number)


def _sums_are_right(metrics: dict[str, object], person: Person) -> bool:
    expected = {"events": len(person.sent), "orders": person.orders, "revenue": {"CNY": person.spent_minor}}
    return all(metrics.get(name) == value for name, value in expected.items())


async def _message_ids(client: httpx.AsyncClient, customer: str) -> list[str]:
    """The message id of every event on the customer's timeline."""
    ids: list[str] = []
    before = ""
    while True:
        params = {"purpose": "service", "limit": str(PAGE)} | ({"before": before} if before else {})
        page = (await client.get(f"/v1/profiles/{customer}/timeline", params=params)).json()
        ids += [event["message_id"] for event in page["events"]]
        before = page.get("next") or ""
        if not before:
            return ids


def channel_figures(stack: Stack, people: list[Person]) -> tuple[dict[str, object], dict[str, object]]:
    """What insights says of everybody's one channel, and what was sent."""
    span = {"from": START[:10], "to": START[:10], "by": "total"}
    with api.client(stack, "insights", ["insights:read"], ["service"]) as http:
        said: dict[str, object] = api.answer(http.get("/v1/channels", params=span))["total"]
    return said, {
        "events": sum(len(person.sent) for person in people),
        "customers": len(people),
        "orders": sum(person.orders for person in people),
        "revenue": {"CNY": sum(person.spent_minor for person in people)},
    }


def define_buyers(stack: Stack) -> str:
    """Defines the segment of everybody who ever ordered, and returns its id."""
    definition = {"event": {"name": "Order Completed"}}
    with api.client(stack, "segments", ["segments:write"], ["service"]) as http:
        written = http.post("/v1/segments", json={"name": "buyers", "purpose": "service", "definition": definition})
        return str(api.answer(written)["segment"])


def members(stack: Stack, segment: str) -> set[str]:
    """The customer ids of all members."""
    found: set[str] = set()
    after = ""
    with api.client(stack, "segments", ["segments:read"], ["service"]) as http:
        while True:
            params = {"purpose": "service", "limit": "100"} | ({"after": after} if after else {})
            page = api.answer(http.get(f"/v1/segments/{segment}/members", params=params))
            found |= {member["customer_id"] for member in page["members"]}
            after = page["next"] or ""
            if not after:
                return found
