"""Exactly once, whatever happens: twice delivered, killed between publish and commit, replayed after an erasure."""

import random

import pytest

from libs.common.consumer import passes
from libs.common.contracts.stitched import STITCHED
from libs.common.db import driver_connection
from libs.common.eventlog.base import stitched_stream
from services.segments import deciding
from services.segments.loading import _load_customers, _load_keys, _load_standing, load
from services.segments.processor import Segmenting
from services.segments.state import State
from tests.integration.profile.world import DAY, HOUR, NOON, customer, ids, track
from tests.integration.segments.story import BUYER, EVER_BOUGHT, GOLD, Story
from tests.integration.test_processor import FaultyLog
from tests.postgres import Database

PEOPLE = [customer(f"c{number}") for number in range(6)]
IDENTIFIERS = [ids(device_id=f"d{number}") for number in range(12)]
DEFINITIONS = [
    ("buyers", BUYER, "service"),
    ("vip", {"any": [GOLD, {"event": {"name": "Order Completed", "op": "gte", "count": 3}}]}, "marketing"),
    ("asleep", {"all": [{"not_seen": {"days": 3}}, EVER_BOUGHT]}, "service"),
    ("new", {"not": [EVER_BOUGHT]}, "personalisation"),
]


@pytest.fixture
async def story(database: Database) -> Story:
    return Story(await database("segments"))


async def live(story: Story, draw: random.Random, steps: int, follow_each: int = 1) -> None:
    """A random history, followed every few steps."""
    owner = {number: PEOPLE[number % 6] for number in range(12)}
    gone: set[bytes] = set()

    def act() -> None:
        number = draw.randrange(12)
        if owner[number] in gone:
            return
        match draw.choice(["buy", "buy", "view", "trait", "consent", "withdraw", "restrict", "lift", "define", "rare"]):
            case "buy":
                story.did(owner[number], IDENTIFIERS[number])
            case "view":
                story.did(owner[number], IDENTIFIERS[number], track("View"))
            case "trait":
                body = track("Signed Up", traits={"plan": draw.choice(["gold", "free", None])})
                story.did(owner[number], IDENTIFIERS[number], body)
            case "consent" | "withdraw" as what:
                purpose = draw.choice(["marketing", "personalisation"])
                story.decide(IDENTIFIERS[number][0], what == "consent", purpose)
            case "restrict" | "lift" as what:
                story.restrict(IDENTIFIERS[number][0], what == "lift")
            case "define":
                name, definition, purpose = draw.choice(DEFINITIONS)
                story.define(name, definition, draw.choice([purpose, purpose, "service"]))
            case _:
                rare(number)

    def rare(number: int) -> None:
        match draw.choice(["merge", "erase", "delete"]):
            case "merge":
                winner, others = owner[number], sorted(set(owner.values()) - gone - {owner[number]})
                if others:
                    loser = draw.choice(others)
                    story.world.merge(winner, loser)
                    owner.update({key: winner for key, found in owner.items() if found == loser})
            case "erase":
                if draw.random() < 0.3:
                    story.world.erase(owner[number])
                    gone.add(owner[number])
            case _:
                story.delete(draw.choice(DEFINITIONS)[0])

    for step in range(steps):
        act()
        if step % follow_each == 0:
            await story.follow()
        if draw.random() < 0.3:
            await story.tick(story.clock + draw.choice([1, HOUR, DAY]))
    await story.follow()


async def from_scratch(story: Story) -> set[tuple[bytes, str]]:
    """What the memberships must be: the whole state judged anew at the present clock."""
    async with story.engine.begin() as connection:
        driver = await driver_connection(connection)
        customers = [row[0] for row in await driver.fetch("SELECT DISTINCT customer FROM bindings")]
        end = await story.log.end(stitched_stream(0))
        async with story.log.read(stitched_stream(0), end - 1) as reader:
            (stored,) = await reader.next(max_entries=1, max_bytes=1 << 24, wait=1)
        state = await load(driver, story.world.vault, 0, [(end, STITCHED.decode(stored.data))])
        state = State(clock=state.clock, segments=state.segments)
        await _load_customers(driver, state, customers)
        await _load_standing(driver, state, set())
        await _load_keys(story.world.vault, state, {})
        state.index()
        return {(each, segment) for each in customers for segment in deciding._judge(state, each).belongs}


@pytest.mark.parametrize("seed", range(6))
async def test_memberships_are_those_of_a_computation_from_scratch_and_of_a_replay(
    story: Story, database: Database, seed: int
) -> None:
    draw = random.Random(seed)
    await live(story, draw, 60, follow_each=draw.choice([1, 4, 9]))
    kept = {(row[0], row[1]) for row in await story.rows("SELECT customer, segment FROM members")}
    assert kept == await from_scratch(story)
    assert await story.digest() == await story.replayed_digest(await database("segments"))


async def test_a_replay_after_the_keys_are_gone_ends_in_the_live_state(story: Story, database: Database) -> None:
    story.define("buyers", BUYER)
    story.did(PEOPLE[0], IDENTIFIERS[0])
    story.did(PEOPLE[1], IDENTIFIERS[1])
    await story.follow()
    story.world.erase(PEOPLE[0])
    await story.follow()
    await story.tick(NOON + HOUR)
    assert await story.members("buyers") == {b"c1"}
    assert await story.digest() == await story.replayed_digest(await database("segments"))


async def test_a_replay_folds_decisions_and_takes_none(
    story: Story, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.define("buyers", BUYER)
    story.did(PEOPLE[0], IDENTIFIERS[0])
    await story.follow()
    end = await story.log.end("SEGMENTS_0")

    def other_rules(*_: object) -> None:
        raise AssertionError("a replay decided")

    monkeypatch.setattr(Segmenting, "decide", other_rules)
    assert await story.digest() == await story.replayed_digest(await database("segments"))
    assert await story.log.end("SEGMENTS_0") == end


async def test_delivered_twice_is_once(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    await live(story, random.Random(1), 25)
    before, end = await story.digest(), await story.log.end("SEGMENTS_0")
    await story.consumer().catch_up()
    await story.consumer().catch_up()
    assert (await story.digest(), await story.log.end("SEGMENTS_0")) == (before, end)


async def test_a_kill_between_publish_and_commit_is_mended_from_the_output(
    story: Story, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.define("buyers", BUYER)
    story.did(PEOPLE[0], IDENTIFIERS[0])
    await story.tell()
    with monkeypatch.context() as broken:

        async def killed(*_: object) -> None:
            raise OSError("killed here")

        broken.setattr(Segmenting, "save", killed)
        with pytest.raises(OSError, match="killed here"):
            await story.follow()
    assert await story.log.end("SEGMENTS_0") == 1
    assert await story.rows("SELECT * FROM members") == []
    story.did(PEOPLE[1], IDENTIFIERS[1])
    await story.follow()
    assert await story.members("buyers") == {b"c0", b"c1"}
    assert len(await story.outputs()) == 2
    assert await story.digest() == await story.replayed_digest(await database("segments"))


@pytest.mark.parametrize("seed", range(4))
async def test_an_unclear_append_neither_loses_nor_doubles_a_membership(
    story: Story, database: Database, seed: int
) -> None:
    draw = random.Random(seed)
    faulty = FaultyLog(story.log, [], lateness=seed)
    story.log = faulty
    for _ in range(5):
        faulty.faults = []
        story.define("buyers", BUYER)
        for number in range(4):
            story.did(PEOPLE[number], IDENTIFIERS[number])
        await story.tell()
        faulty.faults = [draw.choice(["none", "lost", "stored", "late"]) for _ in range(3)]
        end = await story.log.end(stitched_stream(0))
        for _ in range(100):
            try:
                if (await story.consumer().catch_up()).position >= end:
                    break
            except Exception as error:
                if not passes(error):
                    raise
    covered = [p for output in await story.outputs() for p in range(output.origin.first, output.origin.last + 1)]
    assert covered == list(range(1, await story.log.end(stitched_stream(0)) + 1))
    assert await story.members("buyers") == {b"c0", b"c1", b"c2", b"c3"}
    assert await story.digest() == await story.replayed_digest(await database("segments"))


async def test_an_unreadable_event_stops_the_worker(story: Story) -> None:
    story.did(PEOPLE[0], IDENTIFIERS[0])
    binding = story.world.vault.bind(IDENTIFIERS[0]).id
    story.world.vault.data_keys[binding] = story.world.vault.suite.new_key()
    with pytest.raises(Exception, match="cannot be read") as error:
        await story.follow()
    assert not passes(error.value)


async def test_a_vault_that_is_away_is_waited_for(story: Story) -> None:
    story.define("buyers", BUYER)
    story.did(PEOPLE[0], IDENTIFIERS[0])
    story.world.vault.away = True
    with pytest.raises(Exception, match="away") as error:
        await story.follow()
    assert passes(error.value)
    story.world.vault.away = False
    await story.follow()
    assert await story.members("buyers") == {b"c0"}
