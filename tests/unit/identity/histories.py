"""Random histories: few people with few identifiers, so that they meet, clash, repeat and are erased often."""

import random

from libs.common.clock import DAY, SECOND
from libs.common.contracts.events import Erasure, EventsEntry, SourceCreated
from tests.unit.identity.people import START, batch, pseudonym

NAMES = [
    f"{kind}{number}"
    for kind, numbers in {"u": 5, "m": 3, "p": 8, "e": 5, "d": 4, "a": 9}.items()
    for number in range(numbers)
]


def history(draw: random.Random, entries: int) -> list[EventsEntry]:
    """Entries as ingest and privacy would append them; about one in twenty-five is an erasure."""
    names, at, sent = list(NAMES), START, list[tuple[str, str]]()
    found: list[EventsEntry] = []
    for number in range(entries):
        at += draw.choice([0, SECOND, SECOND, DAY // 3, 3 * DAY])
        kind = draw.random()
        if kind < 0.04:
            found.append(Erasure("w", at, f"r{number}", [pseudonym(each) for each in draw.sample(names, 2)]))
            # New identifiers come instead of the old, as the vault would make them.
            names = [each for each in names if draw.random() < 0.9] + [f"{draw.choice('upea')}{number}x"]
        elif kind < 0.08:
            found.append(SourceCreated("w", at, "s", "shop", "store", b""))
        else:
            events = [
                (f"{number}.{k}", " ".join(draw.sample(names, draw.choice([1, 1, 2, 2, 3]))))
                for k in range(draw.randint(1, 6))
            ]
            events += draw.sample(sent, min(len(sent), draw.choice([0, 0, 1, 2])))
            sent += events
            found.append(batch(events, at, draw.choice(["web", "app"])))
    return found
