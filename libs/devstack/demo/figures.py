"""The act of the channel numbers: what these people add to them, to the fen, and what is left when one is forgotten.

Others may be in the numbers: whatever is told is the difference between two answers. Nobody else may send meanwhile, as
for the accounting.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from libs.devstack.api import answer, client
from libs.devstack.demo import channels, reading
from libs.devstack.demo.checks import must, must_equal
from libs.devstack.demo.screen import money
from libs.devstack.demo.stage import Stage

SPAN_DAYS = 14
COUNTS = ("events", "customers", "orders")
ORDER = "Order Completed"
EVERY = "together"
TOUCH = "web · social · weibo · autumn-coats"
SENT = {"app": 3, "social": 2, "store": 1, "web": 4 + 2}
"""Events by channel that count: hers, and the two good ones of the friend."""
REVENUE = channels.APP_ORDER_FEN + channels.STORE_ORDER_FEN

Flat = Mapping[tuple[str, str, str], int]
"""(day, channel or touch, what) -> number; `what` is one of COUNTS or a currency."""


class Numbers:
    """The channel numbers of the days of the story, as they were when it began and as they are when asked."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        today = datetime.now(UTC).date()
        self._span = {"from": str(today - timedelta(days=SPAN_DAYS)), "to": str(today + timedelta(days=1))}
        self._before = self._ask()

    def added(self) -> Flat:
        """What came since the story began."""
        now, before = self._ask(), self._before
        changed = {key: now.get(key, 0) - before.get(key, 0) for key in {*now, *before}}
        return {key: number for key, number in changed.items() if number}

    def _ask(self) -> Flat:
        with client(self._stage.stack, "insights", ("insights:read",), ("service",)) as http:
            found = answer(http.get("/v1/channels", params={**self._span, "by": "day"}))
            touched = answer(http.get("/v1/attribution", params=self._span))
        flat: Counter[tuple[str, str, str]] = Counter()
        for cell in found["cells"]:
            must(cell["figures"] is not None, "figures of few customers are shown on this stack")
            _add(flat, cell["day"], cell["channel"], cell["figures"])
        _add(flat, "", EVERY, found["total"])
        for each in touched["credits"]:
            _add(flat, "", " · ".join(each[name] or "-" for name in ("channel", "medium", "source", "campaign")), each)
        return flat


def _add(flat: Counter[tuple[str, str, str]], day: str, where: str, figures: Mapping[str, Any]) -> None:
    for what in COUNTS:
        flat[day, where, what] += figures.get(what) or 0
    for currency, minor in (figures["revenue"] or {}).items():
        flat[day, where, currency] += minor


def show_numbers(stage: Stage, numbers: Numbers, customer: str, friend: str) -> None:
    """The numbers contain what was sent, no more and no less, and credit both orders to what she touched."""
    stage.screen.act("6  Channel numbers")
    stage.catch_up()
    added = numbers.added()
    must_equal(added, _expected(stage, customer, friend), "what the story adds to the channel numbers")
    by_channel = {name: _sum(added, name, "events") for name in SENT}
    must_equal(by_channel, SENT, "the events by channel")
    must_equal(added["", TOUCH, "CNY"], REVENUE, "the revenue that her campaign is credited with")
    rows = []
    for day, channel in sorted({(day, where) for day, where, _ in added if day}):
        rows.append((day, channel, *_cells(added, day, channel)))
    rows.append(("", EVERY, *_cells(added, "", EVERY)))
    stage.screen.table(("day (UTC)", "channel", *COUNTS, "revenue"), rows, right=(2, 3, 4, 5))
    stage.screen.say(
        f"What this story adds, equal to what was sent. Last touch: both orders, {money({'CNY': REVENUE})}, are "
        f"credited to {TOUCH}, which she followed as a stranger, days before she had a name."
    )


def check_restated(stage: Stage, numbers: Numbers, friend: str) -> None:
    """After she is forgotten the numbers are those of the friend alone."""
    must_equal(numbers.added(), _expected(stage, friend), "what the story adds to the channel numbers without her")
    stage.screen.say("The channel numbers are restated: of this story only the friend's two events are left in them.")


def _expected(stage: Stage, *customers: str) -> dict[tuple[str, str, str], int]:
    """The same numbers, added up from the timelines that profile keeps; every order is credited to TOUCH."""
    flat: Counter[tuple[str, str, str]] = Counter()
    for customer in customers:
        met = set()
        for event in reading.timeline(stage.stack, customer):
            ordered, day = event["event"] == ORDER, (event["at"][:10], event["channel"])
            for place in (day, ("", EVERY)):
                flat[*place, "events"] += 1
                met.add(place)
            for place in (day, ("", EVERY), ("", TOUCH)) if ordered else ():
                flat[*place, "orders"] += 1
                flat[*place, event["money"]["currency"]] += event["money"]["minor"]
                met.add(place)
        flat.update((*place, "customers") for place in met)
    return dict(flat)


def _sum(flat: Flat, channel: str, what: str) -> int:
    return sum(number for (day, where, name), number in flat.items() if day and (where, name) == (channel, what))


def _cells(flat: Flat, day: str, where: str) -> tuple[str, ...]:
    revenue = {what: minor for (at, name, what), minor in flat.items() if (at, name) == (day, where) and what.isupper()}
    return (*(str(flat.get((day, where, what), 0)) for what in COUNTS), money(revenue))
