"""A client outside the system: sends until it is acknowledged, and journals what was."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

RETRY_SECONDS = 0.1
DOUBLED_SHARE = 0.15
"""Share of batches that the client sends again although they were acknowledged, as SDKs do after a lost answer."""


@dataclass
class Journal:
    """Message ids by what the client saw; kept outside the system, so it is the oracle."""

    acknowledged: set[str] = field(default_factory=set)
    attempts: int = 0
    refused: dict[int, int] = field(default_factory=dict)
    broken: int = 0

    def note(self, answer: httpx.Response | None) -> None:
        """Counts one attempt and its end; None is a connection that broke."""
        self.attempts += 1
        if answer is None:
            self.broken += 1
        elif answer.status_code != 200:
            self.refused[answer.status_code] = self.refused.get(answer.status_code, 0) + 1


async def deliver(client: httpx.AsyncClient, key: str, batch: list[dict[str, Any]], journal: Journal) -> None:
    """Sends one batch until a 200; 4xx would be our own mistake."""
    while True:
        try:
            answer: httpx.Response | None = await client.post("/v1/batch", json={"batch": batch}, auth=(key, ""))
        except httpx.TransportError:
            answer = None
        journal.note(answer)
        if answer is not None and answer.status_code == 200:
            journal.acknowledged.update(event["messageId"] for event in batch)
            return
        if answer is not None and answer.status_code not in (429, 503):
            raise AssertionError(f"ingest answered {answer.status_code}: {answer.text[:300]}")
        await asyncio.sleep(RETRY_SECONDS)


async def send_all(
    url: str,
    key: str,
    batches: Sequence[list[dict[str, Any]]],
    journal: Journal,
    *,
    clients: int,
    seed: int,
    pace: float = 0.0,
) -> None:
    """Delivers every batch once and some twice, over at most `clients` requests at once, one every `pace` seconds."""
    draw = random.Random(seed)
    turn = asyncio.Semaphore(clients)
    timeout = httpx.Timeout(10)

    async def one(batch: list[dict[str, Any]], again: bool) -> None:
        await deliver(client, key, batch, journal)
        if again:
            await deliver(client, key, batch, journal)
        turn.release()

    async with (
        httpx.AsyncClient(base_url=url, timeout=timeout, trust_env=False) as client,
        asyncio.TaskGroup() as group,
    ):
        for batch in batches:
            await turn.acquire()
            await asyncio.sleep(pace)
            group.create_task(one(batch, draw.random() < DOUBLED_SHARE))
