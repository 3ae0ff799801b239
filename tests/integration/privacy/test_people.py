"""What privacy folds: people and decisions. Twice delivered is once applied; either one first ends in the same."""

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.contracts.events import (
    EVENTS,
    Batch,
    Binding,
    ConsentDecision,
    Consents,
    Erasure,
    ErasureConfirmed,
    Event,
    EventsEntry,
    Pseudonym,
    Restriction,
)
from libs.common.contracts.stitched import (
    DUPLICATE,
    FRESH,
    STITCHED,
    Erased,
    Facts,
    Linked,
    Merged,
    Moved,
    Origin,
    Refused,
    Stitched,
)
from libs.common.db import open_pool
from libs.common.digest import digest
from libs.common.eventlog.memory import MemoryLog
from libs.common.projection import ProjectionConsumer
from services.privacy.rights import preview
from services.privacy.rights.following import follow_people
from services.privacy.rights.standing import standings
from services.privacy.rights.tables import KEPT, metadata
from tests.postgres import Database

SHOP = "shop"
PHONE, USER, OTHER = (Pseudonym(kind, kind[:1].encode() * 16) for kind in ("phone", "user_id", "email"))
ONE, TWO, THREE = (bytes([number]) * 16 for number in (1, 2, 3))
WANG, LI = b"W" * 16, b"L" * 16


def batch(*bindings: Binding) -> Batch:
    events = [Event(bytes([number]) * 16, 0, number, 1, 1, b"") for number in range(len(bindings))]
    return Batch(SHOP, 1, "intl-v1", ["s"], list(bindings), events, [], [])


def decision(pseudonym: Pseudonym, granted: bool, at: int) -> Consents:
    return Consents(SHOP, at, "ana", "paper", "v1", at, [ConsentDecision(pseudonym, "marketing", granted)])


ERASED = Erased("r1", 9, [WANG], [ONE, TWO], [PHONE.id, USER.id])
HISTORY: list[tuple[EventsEntry, Facts]] = [
    (
        batch(Binding(ONE, [PHONE]), Binding(THREE, [OTHER])),
        Facts(bytes([FRESH, FRESH]), [Linked(ONE, LI), Linked(THREE, LI)]),
    ),
    (decision(PHONE, True, 2), Facts()),
    (decision(OTHER, True, 2), Facts()),
    (
        batch(Binding(ONE, [PHONE]), Binding(TWO, [PHONE, USER, OTHER])),
        Facts(
            bytes([DUPLICATE, FRESH]),
            [Linked(TWO, WANG)],
            moved=[Moved(ONE, LI, WANG)],
            refused=[Refused(TWO, "user_id limit 1", [OTHER], [])],
        ),
    ),
    (decision(PHONE, False, 4), Facts()),
    (Restriction(SHOP, 5, "r0", [OTHER], False), Facts()),
    (Restriction(SHOP, 5, "r1", [USER], False), Facts()),
]
FAREWELL: list[tuple[EventsEntry, Facts]] = [
    (Erasure(SHOP, 9, "r1", [USER]), Facts(erased=[ERASED])),
    (decision(PHONE, True, 10), Facts()),
    (Restriction(SHOP, 11, "r0", [OTHER], True), Facts()),
    (ErasureConfirmed(SHOP, 12, "r1", "profile", {"events": 2}), Facts()),
    (ErasureConfirmed(SHOP, 13, "r1", "profile", {"events": 0}), Facts()),
]


async def written(history: list[tuple[EventsEntry, Facts]], log: MemoryLog | None = None) -> MemoryLog:
    log = log or MemoryLog()
    for number, (entry, facts) in enumerate(history, await log.end("EVENTS_0") + 1):
        await log.append("EVENTS_0", EVENTS.encode(entry))
        stitched = Stitched(Origin("log", number, number), number, [EVENTS.encode(entry)], [facts])
        await log.append("STITCHED_0", STITCHED.encode(stitched))
    return log


async def state(engine: AsyncEngine) -> str:
    async with engine.connect() as connection:
        return await digest(connection, metadata, leave_out=frozenset(KEPT))


async def counts(engine: AsyncEngine, query: str) -> list[tuple[object, ...]]:
    async with engine.connect() as connection:
        return [tuple(row) for row in await connection.execute(text(query))]


Order = Callable[[list[ProjectionConsumer]], Awaitable[None]]


async def decisions_first(consumers: list[ProjectionConsumer]) -> None:
    for consumer in consumers:
        await consumer.catch_up()


async def people_first(consumers: list[ProjectionConsumer]) -> None:
    for consumer in reversed(consumers):
        await consumer.catch_up()


@pytest.mark.parametrize("order", [decisions_first, people_first])
async def test_an_erasure_leaves_the_same_whichever_is_folded_first_and_however_often(
    database: Database, order: Order
) -> None:
    log, engine = await written(HISTORY + FAREWELL), await database("privacy/rights", "privacy")
    for _ in range(2):
        await order(follow_people(log, engine, 0))
    assert await counts(engine, "SELECT pseudonym FROM consents") == [(OTHER.id,)]
    assert await counts(engine, "SELECT count(*) FROM restrictions") == [(0,)]
    assert await counts(engine, "SELECT binding, customer, events FROM bindings") == [(THREE, LI, 1)]
    assert await counts(engine, "SELECT counts FROM confirmed") == [('{"events":2}',)]
    assert await counts(engine, "SELECT request, sent FROM confirmations") == [("r1", False)]
    other = await database("privacy/rights", "privacy")
    await decisions_first(follow_people(log, other, 0))
    assert await state(engine) == await state(other)


async def test_a_merge_that_names_no_bindings_moves_them_all(database: Database) -> None:
    """Too many to name: see MAX_MOVED. What is on its way in the same batch moves as well."""
    chen, merges = b"C" * 16, [(LI, WANG), (WANG, b"C" * 16)]
    log, (whole, stepwise) = await written(HISTORY), [await database("privacy/rights", "privacy") for _ in range(2)]
    await decisions_first(follow_people(log, stepwise, 0))
    await written([(batch(), Facts(merged=[Merged(winner, loser, TWO)])) for loser, winner in merges], log)
    for engine in (whole, stepwise):
        await decisions_first(follow_people(log, engine, 0))
    for engine in (whole, stepwise):
        assert await counts(engine, "SELECT DISTINCT customer FROM bindings") == [(chen,)]


async def test_an_older_decision_that_arrives_later_undoes_nothing(database: Database) -> None:
    """An import may read what stands just before somebody withdraws."""
    late: list[tuple[EventsEntry, Facts]] = [(decision(PHONE, True, 1), Facts())]
    engine = await database("privacy/rights", "privacy")
    await decisions_first(follow_people(await written(HISTORY + late), engine, 0))
    assert await counts(engine, "SELECT granted FROM consents WHERE pseudonym = 'pppppppppppppppp'") == [(False,)]


async def test_a_preview_knows_moved_bindings_and_leaves_out_what_was_held_out(database: Database) -> None:
    engine = await database("privacy/rights", "privacy")
    await decisions_first(follow_people(await written(HISTORY), engine, 0))
    async with open_pool(engine.url.render_as_string(hide_password=False), "privacy") as pool:
        found = await preview.find(pool, SHOP, {PHONE.id.hex(): "phone"})
        (wang, li, stranger) = await standings(pool, SHOP, [[PHONE.id, USER.id], [OTHER.id], [b"?" * 16]])
    assert preview.summary(found) == {
        "customers": 1,
        "identifiers": {"phone": 1, "user_id": 1},
        "bindings": 2,
        "events": 2,
    }
    assert (wang.consents, wang.restricted) == ({"marketing": False}, True)
    assert (li.consents, li.restricted) == ({"marketing": True}, True)
    assert (stranger.consents, stranger.restricted) == ({}, False)


async def test_whoever_still_holds_an_erased_pseudonym_is_told_to_do_nothing_with_it(database: Database) -> None:
    engine = await database("privacy/rights", "privacy")
    await decisions_first(follow_people(await written(HISTORY + FAREWELL), engine, 0))
    async with open_pool(engine.url.render_as_string(hide_password=False), "privacy") as pool:
        (gone, kept) = await standings(pool, SHOP, [[PHONE.id], [OTHER.id]])
    assert (gone.consents, gone.restricted) == ({}, True)
    assert (kept.consents, kept.restricted) == ({"marketing": True}, False)
