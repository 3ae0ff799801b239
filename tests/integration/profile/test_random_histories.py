"""Random histories of events, merges, moves and erasures against a plain walk over them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import pytest

from libs.common.contracts.body import EventBody, Money
from libs.common.contracts.stitched import Erased
from libs.common.fragment import Fragment, add_event, canonical, empty, merge
from services.profile.sealing import Sealed
from tests.integration.profile.conftest import MakeTables
from tests.integration.profile.tables import Tables
from tests.integration.profile.world import (
    DAY,
    DUPLICATE,
    FRESH,
    NOON,
    SUPPRESSED,
    WORKSPACE,
    Sent,
    World,
    customer,
    ids,
)


@dataclass
class History:
    """A world in which things happen at random. People who were erased or merged away never act again."""

    dice: Random
    world: World = field(default_factory=World)
    living: list[bytes] = field(default_factory=lambda: [customer(f"p{n}") for n in range(12)])
    forgotten: set[bytes] = field(default_factory=set)
    aliases: dict[bytes, bytes] = field(default_factory=dict)
    erasures: list[Erased] = field(default_factory=list)

    def step(self) -> None:
        chance = self.dice.random()
        if chance < 0.1 and len(self.living) > 2:
            self._merge(*self.dice.sample(self.living, 2))
        elif chance < 0.15 and self.world.customers:
            self.world.move(self.dice.choice(sorted(self.world.customers)), self.dice.choice(self.living))
        elif chance < 0.2 and len(self.living) > 2:
            self._erase(self.dice.choice(self.living))
        else:
            self.world.send(*(self._sent() for _ in range(self.dice.randrange(1, 6))))

    def _merge(self, winner: bytes, loser: bytes) -> None:
        self.living.remove(loser)
        self.aliases = {old: winner if now == loser else now for old, now in self.aliases.items()} | {loser: winner}
        self.world.merge(winner, loser, tell=self.dice.random() < 0.5)

    def _erase(self, person: bytes) -> None:
        self.living.remove(person)
        former = [old for old, now in self.aliases.items() if now == person]
        self.aliases = {old: now for old, now in self.aliases.items() if now != person}
        self.erasures.append(self.world.erase(person, *former, destroy=False))
        self.forgotten.update(self.erasures[-1].pseudonyms)

    def _sent(self) -> Sent:
        person = self.dice.choice(self.living)
        identifiers = ids(user_id=person.decode(), device_id=f"{person.decode()}-{self.dice.randrange(3)}")
        outcome = DUPLICATE if self.dice.random() < 0.1 else FRESH
        if any(each.id in self.forgotten for each in self.world.vault.bind(identifiers).pseudonyms):
            outcome = SUPPRESSED  # as identity does with whatever carries an erased pseudonym
        at = NOON - self.dice.randrange(3 * DAY)
        return Sent(person, identifiers, self._body(), at, NOON, f"source-{self.dice.randrange(2)}", outcome)

    def _body(self) -> EventBody:
        name = self.dice.choice(["View", "Order Completed", "Order Refunded"])
        return EventBody(
            "track",
            name,
            self.dice.choice(["web", "app", "store"]),
            medium=self.dice.choice(["", "cpc"]),
            traits={self.dice.choice("abc"): self.dice.choice([None, 1, "x"])},
            money=Money(self.dice.randrange(1000), self.dice.choice(["CNY", "USD"])) if name != "View" else None,
        )

    def expected(self) -> dict[bytes, bytes]:
        """The canonical profile of each customer."""
        sums: dict[bytes, Fragment] = {}
        for event in self.world.happened:
            owner = self.world.customers.get(event.binding)
            if owner is not None:
                add_event(sums.setdefault(owner, empty()), event.body, event.at, event.position, event.idx)
        return {owner: canonical(total) for owner, total in sums.items()}

    def accounts(self) -> list[tuple[str, int, int]]:
        stored = Counter(e.source for e in self.world.happened if e.binding in self.world.customers)
        erased = Counter(e.source for e in self.world.happened if e.binding not in self.world.customers)
        return [(source, stored[source], erased[source]) for source in sorted(stored | erased)]

    def profiles(self, rows: list[tuple[bytes, bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
        """Canonical profiles of (customer, binding, fragment) rows, by customer."""
        parts: dict[bytes, list[Fragment]] = {}
        for owner, binding, sealed in rows:
            sealer = self.world.vault.suite.sealer(self.world.vault.data_keys[binding])
            parts.setdefault(owner, []).append(Sealed(sealer, "intl-v1", WORKSPACE, binding).fragment(sealed))
        for owner, found in parts.items():
            yield owner, canonical(merge(*found))


async def check(history: History, tables: Tables) -> None:
    rows = await tables.rows("SELECT customer, binding, fragment FROM bindings WHERE fragment IS NOT NULL")
    assert dict(history.profiles(rows)) == history.expected()
    accounts = await tables.rows("SELECT source, stored, erased FROM accounting ORDER BY source")
    assert accounts == history.accounts()
    assert await tables.rows("SELECT customer, winner FROM aliases ORDER BY 1") == sorted(history.aliases.items())
    owners = dict(await tables.rows("SELECT binding, customer FROM bindings"))
    assert owners == history.world.customers
    counts = dict(await tables.rows("SELECT binding, count(*) FROM timeline GROUP BY 1"))
    assert counts == Counter(e.binding for e in history.world.happened if e.binding in owners)


@pytest.mark.parametrize("seed", range(8))
async def test_any_history_in_any_batching_is_what_a_plain_walk_says_and_so_is_its_replay(
    make_tables: MakeTables, seed: int
) -> None:
    dice = Random(seed)
    history = History(dice)
    live, replayed = await make_tables(history.world), await make_tables(history.world)
    for _ in range(dice.randrange(3, 8)):
        for _ in range(dice.randrange(1, 15)):
            history.step()
        await live.catch_up(entries_each=dice.randrange(1, 20), ticks=dice.random() < 0.5)
        await check(history, live)
    for erased in history.erasures:
        history.world.vault.erase(erased.bindings, [])
    await replayed.catch_up(entries_each=7)
    await check(history, replayed)
    assert await replayed.digest() == await live.digest()
