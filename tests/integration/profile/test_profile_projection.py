"""What the projection keeps of STITCHED, on real PostgreSQL: exactly, whatever the batching, and nothing in clear."""

from dataclasses import replace

import pytest

from libs.common.contracts.body import EventBody, Money
from libs.common.contracts.stitched import STITCHED, Merged
from libs.common.crypto import CannotOpen
from libs.common.eventlog.base import stitched_stream
from libs.common.positions import Overtaken
from services.profile.folding import ProjectionFault
from services.profile.sealing import Sealed
from tests.integration.profile.conftest import MakeTables
from tests.integration.profile.tables import Tables
from tests.integration.profile.world import (
    DUPLICATE,
    HOUR,
    NOON,
    SUPPRESSED,
    WORKSPACE,
    DictVault,
    Sent,
    World,
    customer,
    ids,
    track,
)

WANG, LI, ZHAO, QIAN = (customer(name) for name in ("wang", "li", "zhao", "qian"))
BROWSER, PHONE, CARD = ids(anonymous_id="b-1"), ids(phone="+8613912345678"), ids(member_card="M1")
SECRET = "龙井茶叶"


def story(world: World) -> None:
    """Three people, four bindings, two sources, a duplicate, a late event, a merge and an audit entry."""
    bought = track("Order Completed", "store", money=Money(9900, "CNY"))
    named = EventBody("identify", "", "web", traits={"likes": SECRET}, personal={"name": "王小明"})
    world.send(Sent(WANG, BROWSER, track(medium="cpc")), Sent(LI, PHONE, named), Sent(WANG, BROWSER, at=NOON + HOUR))
    world.send(Sent(WANG, BROWSER, outcome=DUPLICATE), Sent(LI, CARD, bought, source="source-b"))
    world.send(Sent(ZHAO, ids(email="z@example.com"), at=NOON - HOUR), Sent(WANG, BROWSER, outcome=SUPPRESSED))
    world.reveal(LI, "personal.name")
    world.merge(WANG, LI)
    world.send(Sent(WANG, (*BROWSER, *PHONE), bought), Sent(ZHAO, ids(email="z@example.com"), at=NOON - 2 * HOUR))


async def test_fresh_events_become_fragments_timeline_rows_and_counts(tables: Tables) -> None:
    story(tables.world)
    await tables.catch_up()
    assert await tables.rows("SELECT workspace, source, stored, erased FROM accounting ORDER BY source") == [
        (WORKSPACE, "source-a", 6, 0),
        (WORKSPACE, "source-b", 1, 0),
    ]
    assert await tables.rows("SELECT count(*) FROM timeline") == [(7,)]
    owners = await tables.rows("SELECT customer, count(*) FROM bindings GROUP BY 1 ORDER BY 2")
    assert owners == [(ZHAO, 1), (WANG, 4)]
    assert await tables.rows("SELECT customer, winner FROM aliases") == [(LI, WANG)]
    assert await tables.rows("SELECT caller, customer, names FROM reveals") == [("alice", LI, ["personal.name"])]
    assert await tables.rows("SELECT position FROM horizon") == [(len(tables.world.entries),)]


@pytest.mark.parametrize("entries_each", [1, 2, 100])
async def test_any_batching_with_and_without_ticks_gives_the_same_state(
    make_tables: MakeTables, entries_each: int
) -> None:
    world = World()
    story(world)
    world.erase(ZHAO, destroy=False)
    reference, other = await make_tables(world), await make_tables(world)
    await reference.catch_up(entries_each=100)
    await other.catch_up(entries_each=entries_each, ticks=True)
    assert await other.digest() == await reference.digest()


async def test_entries_applied_one_transaction_each_equal_one_transaction_of_all(make_tables: MakeTables) -> None:
    world = World()
    story(world)
    reference, other = await make_tables(world), await make_tables(world)
    await reference.catch_up()
    await world.write(other.log)
    projection = other.consumer().projection
    async with other.log.read(stitched_stream(0), 0) as reader:
        for stored in await reader.next(max_entries=100, max_bytes=1 << 30, wait=1):
            async with other.engine.begin() as connection:
                await projection.apply(connection, [(stored.position, STITCHED.decode(stored.data))])
    assert await other.digest() == await reference.digest()


async def test_an_entry_delivered_twice_changes_nothing(tables: Tables) -> None:
    story(tables.world)
    consumer = tables.consumer()
    await tables.catch_up()
    before = await tables.digest()
    await consumer.catch_up()
    async with tables.log.read(stitched_stream(0), 0) as reader:
        stored = await reader.next(max_entries=100, max_bytes=1 << 30, wait=1)
    with pytest.raises(Overtaken):
        await consumer._apply(0, stored)
    assert await tables.digest() == before


async def test_no_value_of_a_person_stands_in_clear_in_any_table(tables: Tables) -> None:
    story(tables.world)
    await tables.catch_up()
    for table in ("bindings", "pseudonyms", "timeline", "aliases", "accounting", "reveals"):
        for row in await tables.rows(f"SELECT * FROM {table}"):  # noqa: S608 - a name from the line above
            everything = b"".join(v if isinstance(v, bytes) else str(v).encode() for v in row)
            for value in (SECRET, "王小明", "b-1", "13912345678", "z@example.com", "Order Completed"):
                assert value.encode() not in everything


@pytest.mark.parametrize("suite", ["intl-v1", "gm-v1"])
async def test_a_fragment_opens_only_with_the_key_of_its_binding_and_in_its_place(
    make_tables: MakeTables, suite: str
) -> None:
    world = World(DictVault(suite))
    world.send(Sent(WANG, BROWSER, EventBody("identify", "", "web", traits={"likes": SECRET})))
    tables = await make_tables(world)
    await tables.catch_up()
    ((binding, fragment),) = await tables.rows("SELECT binding, fragment FROM bindings")
    sealer = world.vault.suite.sealer(world.vault.data_keys[binding])
    assert Sealed(sealer, suite, WORKSPACE, binding).fragment(fragment).traits["likes"].value == SECRET
    with pytest.raises(CannotOpen):
        Sealed(sealer, suite, WORKSPACE, bytes(16)).fragment(fragment)
    with pytest.raises(CannotOpen):
        Sealed(world.vault.suite.sealer(world.vault.suite.new_key()), suite, WORKSPACE, binding).fragment(fragment)


@pytest.mark.parametrize("at_once", [True, False])
async def test_an_alias_points_at_the_customer_of_today_through_all_merges(tables: Tables, at_once: bool) -> None:
    for number, person in enumerate((WANG, LI, ZHAO, QIAN)):
        tables.world.send(Sent(person, ids(user_id=f"u{number}")))
    for winner, loser in ((LI, ZHAO), (LI, QIAN), (WANG, LI)):
        tables.world.merge(winner, loser)
        if not at_once:
            await tables.catch_up()
    await tables.catch_up()
    aliases = await tables.rows("SELECT customer, winner FROM aliases ORDER BY customer")
    assert aliases == sorted((loser, WANG) for loser in (LI, QIAN, ZHAO))
    assert await tables.rows("SELECT DISTINCT customer FROM bindings") == [(WANG,)]


async def test_a_binding_linked_and_moved_in_one_entry_belongs_to_whom_it_moved_to(tables: Tables) -> None:
    tables.world.send(Sent(WANG, BROWSER), Sent(LI, PHONE), merged=[Merged(WANG, LI, b"evidence")])
    await tables.catch_up()
    assert await tables.rows("SELECT DISTINCT customer FROM bindings") == [(WANG,)]


@pytest.mark.parametrize("at_once", [True, False])
async def test_bindings_follow_a_merge_that_names_none_of_them(tables: Tables, at_once: bool) -> None:
    """Identity leaves `moved` out when it would be too long."""
    tables.world.send(Sent(WANG, BROWSER), Sent(LI, PHONE), Sent(ZHAO, CARD))
    if not at_once:
        await tables.catch_up()
    for winner, loser in ((LI, ZHAO), (WANG, LI)):
        tables.world.merge(winner, loser, tell=False)
    await tables.catch_up()
    assert await tables.rows("SELECT customer, count(*) FROM bindings GROUP BY 1") == [(WANG, 3)]


async def test_identifiers_that_identity_held_out_do_not_lead_to_the_customer(tables: Tables) -> None:
    tablet = ids(device_id="store tablet")
    tables.world.send(Sent(WANG, (*PHONE, *tablet)), held=tablet)
    await tables.catch_up()
    assert await tables.rows("SELECT pseudonym FROM pseudonyms") == [(tables.world.vault.pseudonym(PHONE[0]),)]


async def test_erasure_drops_all_rows_and_books_the_events_as_erased(tables: Tables) -> None:
    story(tables.world)
    tables.world.erase(WANG)
    await tables.catch_up()
    assert await tables.rows("SELECT DISTINCT customer FROM bindings") == [(ZHAO,)]
    assert await tables.rows("SELECT count(*) FROM timeline") == [(2,)]
    assert await tables.rows("SELECT count(*) FROM pseudonyms") == [(1,)]
    assert await tables.rows("SELECT count(*) FROM aliases") == [(0,)]
    assert await tables.rows("SELECT source, stored, erased FROM accounting ORDER BY source") == [
        ("source-a", 2, 4),
        ("source-b", 0, 1),
    ]


async def test_a_replay_after_the_keys_are_gone_ends_in_the_state_of_the_live_run(make_tables: MakeTables) -> None:
    world = World()
    live = await make_tables(world)
    story(world)
    await live.catch_up()
    erased = world.erase(WANG, LI, destroy=False)
    await live.catch_up()
    world.vault.erase(erased.bindings, erased.pseudonyms)
    world.send(Sent(QIAN, ids(user_id="u9")))
    await live.catch_up()
    replayed = await make_tables(world)
    await replayed.catch_up(entries_each=3)
    assert await replayed.rows("SELECT * FROM accounting ORDER BY 1, 2") == await live.rows(
        "SELECT * FROM accounting ORDER BY 1, 2"
    )
    assert await replayed.digest() == await live.digest()


async def test_a_vault_that_erased_before_we_did_stops_nothing(tables: Tables) -> None:
    tables.world.send(Sent(WANG, BROWSER))
    await tables.catch_up()
    tables.world.vault.erase(list(tables.world.customers), [])
    tables.world.send(Sent(WANG, BROWSER))
    await tables.catch_up()
    assert await tables.rows("SELECT stored, erased FROM accounting") == [(1, 1)]
    tables.world.erase(WANG)
    await tables.catch_up()
    assert await tables.rows("SELECT stored, erased FROM accounting") == [(0, 2)]


async def test_events_wait_while_the_vault_is_away_and_nothing_is_half_applied(tables: Tables) -> None:
    story(tables.world)
    tables.world.vault.away = True
    with pytest.raises(Exception, match="the vault is away"):
        await tables.catch_up()
    assert await tables.rows("SELECT count(*) FROM bindings") == [(0,)]
    assert await tables.rows("SELECT position FROM positions") == [(0,)]
    tables.world.vault.away = False
    await tables.catch_up()
    assert await tables.rows("SELECT count(*) FROM timeline") == [(7,)]


async def test_a_key_that_the_vault_neither_has_nor_erased_stops_the_consumer(tables: Tables) -> None:
    story(tables.world)
    tables.world.vault.data_keys.clear()
    with pytest.raises(ProjectionFault, match="neither a key nor an erasure"):
        await tables.catch_up()


async def test_an_event_that_does_not_open_stops_the_consumer_and_says_which(tables: Tables) -> None:
    world = tables.world
    world.send(Sent(WANG, BROWSER))
    (binding,) = world.customers
    world.vault.data_keys[binding] = bytes(32)
    with pytest.raises(ProjectionFault, match="EVENTS 1/0") as fault:
        await tables.catch_up()
    assert fault.value.__cause__ is None


async def test_an_event_of_a_binding_that_identity_never_linked_stops_the_consumer(tables: Tables) -> None:
    tables.world.send(Sent(WANG, BROWSER))
    data, facts = tables.world.entries[0]
    tables.world.entries[0] = (data, type(facts)(facts.outcomes))
    with pytest.raises(ProjectionFault, match="never linked"):
        await tables.catch_up()


async def test_outcomes_that_do_not_match_the_events_stop_the_consumer(tables: Tables) -> None:
    tables.world.send(Sent(WANG, BROWSER))
    data, facts = tables.world.entries[0]
    tables.world.entries[0] = (data, type(facts)(b"", facts.linked))
    with pytest.raises(ValueError, match="1 events, but 0 outcomes"):
        await tables.catch_up()


async def test_an_event_dated_after_its_receipt_stands_at_its_receipt(tables: Tables) -> None:
    tables.world.send(replace(Sent(WANG, BROWSER), at=NOON + 1000 * HOUR, received=NOON + HOUR))
    await tables.catch_up()
    assert await tables.rows("SELECT at FROM timeline") == [(NOON + HOUR,)]
