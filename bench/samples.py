"""Events to measure with: many known people, ordinary sizes, every channel's fields."""

import base64
import json
import random
from typing import Any

EVENT_NAMES = ["Product Viewed", "Product Added", "Order Completed", "Cart Viewed", "Search Used"]


def basic(key: str) -> str:
    """The Authorization value of a write key."""
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


def events(count: int, people: int, seed: int, run: str) -> list[dict[str, Any]]:
    """`count` track events (about 450 bytes of JSON) of `people` people, each known by user id and device."""
    draw = random.Random(seed)
    return [_event(draw, f"{run}-{number}", draw.randrange(people)) for number in range(count)]


def _event(draw: random.Random, message_id: str, person: int) -> dict[str, Any]:
    return {
        "type": "track",
        "event": draw.choice(EVENT_NAMES),
        "messageId": message_id,
        "userId": f"user-{person}",
        "anonymousId": f"7f5c{person:012x}a1b2",
        "timestamp": "2026-11-20T10:00:00.000Z",
        "context": {
            "library": {"name": "bench", "version": "1"},
            "page": {"path": "/item", "url": "https://shop.example/item?utm_source=douyin", "title": "Item"},
            "campaign": {"source": "douyin", "medium": "cpc"},
            "locale": "zh-CN",
        },
        "properties": {
            "product_id": f"p{draw.randrange(5000)}",
            "revenue": draw.randrange(100, 99_900) / 100,
            "currency": "CNY",
            "quantity": draw.randrange(1, 4),
        },
    }


def bodies(count: int, size: int, people: int, seed: int, run: str) -> list[bytes]:
    """JSON bodies for /v1/batch with `size` events each, `count` events in all."""
    made = events(count, people, seed, run)
    return [json.dumps({"batch": made[start : start + size]}).encode() for start in range(0, count, size)]
