"""A purchase history into the front door, as a shop's system would send it: batches on a few kept connections."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import httpx

from libs.devstack.demo.shop import History, Purchase
from libs.devstack.errors import StackError

BATCH_EVENTS = 400
CONNECTIONS = 4
PATIENCE_SECONDS = 60.0
AGAIN = frozenset({429, 500, 502, 503, 504})


def order_event(history: History, purchase: Purchase) -> dict[str, Any]:
    """One order as a Segment event. Its messageId follows from the history alone: sent twice, it counts once."""
    card = {"id": history.card(purchase.customer), "type": "member_card", "collection": "users", "encoding": "none"}
    return {
        "type": "track",
        "event": "Order Completed",
        "messageId": f"{history.prefix}-order-{purchase.number:06}",
        "timestamp": purchase.at.isoformat(),
        "context": {"externalIds": [card]},
        "properties": {
            "order_id": f"{purchase.number:06}",
            "quantity": purchase.quantity,
            "revenue": purchase.cents / 100,
            "currency": "USD",
        },
    }


async def send(history: History, url: str, write_key: str, sent: Callable[[int], object]) -> None:
    """Sends the whole history to the front door at `url`; calls `sent` with the size of each accepted batch.

    A batch is sent again, after the time that the answer asks for, until it is accepted. Raises StackError
    when that takes longer than PATIENCE_SECONDS, or when the door refuses for good.
    """
    batches = _batches(history)
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    async with httpx.AsyncClient(
        base_url=url, auth=(write_key, ""), limits=limits, timeout=30, trust_env=False
    ) as client:

        async def drain() -> None:
            for events in batches:
                await _deliver(client, _body(events))
                sent(len(events))

        await asyncio.gather(*(drain() for _ in range(CONNECTIONS)))


def _batches(history: History) -> Iterator[list[dict[str, Any]]]:
    purchases = iter(history.purchases)
    while some := list(islice(purchases, BATCH_EVENTS)):
        yield [order_event(history, one) for one in some]


def _body(events: list[dict[str, Any]]) -> bytes:
    return json.dumps({"batch": events, "sentAt": datetime.now(UTC).isoformat()}).encode()


async def _deliver(client: httpx.AsyncClient, body: bytes) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + PATIENCE_SECONDS
    while True:
        wait, reason = await _try(client, body)
        if wait is None:
            return
        if loop.time() + wait > end:
            raise StackError(f"ingest did not accept a batch for {PATIENCE_SECONDS:.0f} s; it last said: {reason}")
        await asyncio.sleep(wait)


async def _try(client: httpx.AsyncClient, body: bytes) -> tuple[float | None, str]:
    """How many seconds to wait before the next try and why; None when the batch was accepted."""
    try:
        answer = await client.post("/v1/batch", content=body, headers={"content-type": "application/json"})
    except httpx.TransportError as error:
        return 0.5, type(error).__name__
    if answer.is_success:
        return None, ""
    if answer.status_code in AGAIN:
        return _retry_after(answer), f"{answer.status_code} {answer.text[:200]}"
    raise StackError(f"ingest refused a batch: {answer.status_code} {answer.text[:500]}")


def _retry_after(answer: httpx.Response) -> float:
    text = answer.headers.get("retry-after", "")
    return max(float(text), 0.1) if text.isdigit() else 0.5
