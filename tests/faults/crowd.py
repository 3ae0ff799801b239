"""People whose history is known beforehand: what was sent, and the one profile that must come of it.

Every person is seen on the web without a name, then identified there, then in the app and in the store, so that
each of them needs stitching. What is sent is decided by a seed, so a red run can be repeated.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

START = "2026-11-01T08:00:00.000Z"


@dataclass
class Person:
    """One person and every message id that was sent for them."""

    number: int
    run: str
    sent: list[str] = field(default_factory=list)
    orders: int = 0
    spent_minor: int = 0

    @property
    def user_id(self) -> str:
        return f"user-{self.run}-{self.number}"

    @property
    def identifiers(self) -> list[tuple[str, str]]:
        """Every identifier that must find this person's profile."""
        return [
            ("user_id", self.user_id),
            ("anonymous_id", f"anon-{self.run}-{self.number}"),
            ("phone", self.phone),
            ("device_id", f"device-{self.run}-{self.number}"),
        ]

    @property
    def phone(self) -> str:
        return f"+86139{self.number:08d}"

    def _event(self, kind: str, **fields: Any) -> dict[str, Any]:
        message_id = f"{self.run}-{self.number}-{len(self.sent)}"
        self.sent.append(message_id)
        return {"type": kind, "messageId": message_id, "timestamp": START, **fields}

    def history(self, draw: random.Random, events: int) -> Iterator[dict[str, Any]]:
        """`events` events in the order in which they are sent, at least four."""
        anonymous = {"anonymousId": f"anon-{self.run}-{self.number}"}
        yield self._event("page", name="Home", properties={"url": "https://shop.example/"}, **anonymous)
        yield self._event("identify", userId=self.user_id, traits={"phone": self.phone, "plan": "gold"}, **anonymous)
        device = {"device": {"id": f"device-{self.run}-{self.number}"}}
        yield self._event("screen", name="Start", userId=self.user_id, context=device)
        for _ in range(events - 3):
            minor = draw.randrange(1, 50_000)
            self.orders += 1
            self.spent_minor += minor
            yield self._event(
                "track",
                event="Order Completed",
                userId=self.user_id,
                properties={"revenue": minor / 100, "currency": "CNY"},
            )


def batches(people: list[Person], seed: int, events: int, size: int) -> list[list[dict[str, Any]]]:
    """Everybody's history interleaved, in batches of `size`; each person's own order is kept."""
    draw = random.Random(seed)
    waiting = [list(person.history(draw, events))[::-1] for person in people]
    mixed: list[dict[str, Any]] = []
    while waiting:
        turn = draw.randrange(len(waiting))
        mixed.append(waiting[turn].pop())
        if not waiting[turn]:
            waiting[turn] = waiting[-1]
            waiting.pop()
    return [mixed[start : start + size] for start in range(0, len(mixed), size)]
