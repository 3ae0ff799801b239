"""Figures on real ClickHouse: exact, restated by merges, gone with the person, the same after a replay."""

from typing import Any

import pytest

from libs.common.contracts.body import EventBody, Money
from services.insights import checking
from services.insights.history import databases
from services.insights.queries import Sums
from services.insights.rows import InsightsFault
from tests.integration.insights.history import History
from tests.integration.profile.world import DAY, DUPLICATE, HOUR, NOON, SUPPRESSED, Sent, World, customer, ids, track

ANN, BEN = customer("ann"), b"ben-4c1f9a7e02d8"  # no run that compression would hide
ANN_WEB, ANN_APP, BEN_WEB = ids(anonymous_id="a1"), ids(phone="+8613900000001"), ids(phone="+8613900000002")


def order(minor: int, currency: str = "CNY", channel: str = "web", **fields: Any) -> EventBody:
    return track("Order Completed", channel, money=Money(minor, currency), **fields)


def campaign(source: str, name: str, event: str = "Page Viewed", channel: str = "web") -> EventBody:
    return track(event, channel, medium="cpc", campaign={"source": source, "name": name})


def shop(world: World) -> None:
    """Two people, three bindings, two channels."""
    world.send(
        Sent(ANN, ANN_WEB, campaign("douyin", "autumn"), NOON - 3 * HOUR),
        Sent(ANN, ANN_WEB, order(1_999), NOON - 2 * HOUR),
        Sent(BEN, BEN_WEB, track("View"), NOON - HOUR),
    )
    world.send(
        Sent(ANN, ANN_APP, order(501, channel="app"), NOON + DAY),
        Sent(BEN, BEN_WEB, order(300, "USD"), NOON + DAY),
        Sent(BEN, BEN_WEB, track("Order Refunded", money=Money(100, "USD")), NOON + DAY),
        Sent(BEN, BEN_WEB, track("Price Seen", money=Money(7, "USD")), NOON + DAY, outcome=DUPLICATE),
    )


async def test_every_channel_and_day_has_exact_sums(history: History) -> None:
    shop(history.world)
    await history.catch_up()
    first, second = "2023-11-14", "2023-11-15"
    assert await history.channels(by_day=True) == {
        ("web", first): Sums(3, 2, 1, {"CNY": 1_999}),
        ("web", second): Sums(2, 1, 1, {"USD": 200}),
        ("app", second): Sums(1, 1, 1, {"CNY": 501}),
    }
    assert await history.channels() == {
        "web": Sums(5, 2, 2, {"CNY": 1_999, "USD": 200}),
        "app": Sums(1, 1, 1, {"CNY": 501}),
    }
    assert await history.total() == Sums(6, 2, 3, {"CNY": 2_500, "USD": 200})
    assert await history.accounts() == {"source-a": (6, 0)}


async def test_a_day_is_that_of_the_timezone_asked_for(history: History) -> None:
    history.world.send(Sent(ANN, ANN_WEB, track(), NOON + 5 * HOUR))
    await history.catch_up()
    assert list(await history.channels(by_day=True, timezone="Asia/Shanghai")) == [("web", "2023-11-15")]
    assert list(await history.channels(by_day=True)) == [("web", "2023-11-14")]


async def test_a_span_holds_its_start_and_not_its_end(history: History) -> None:
    for at in (NOON - 1, NOON, NOON + DAY - 1, NOON + DAY):
        history.world.send(Sent(ANN, ANN_WEB, track(), at))
    await history.catch_up()
    assert (await history.total(start=NOON, end=NOON + DAY)).events == 2


async def test_a_merge_restates_what_was_counted_before(history: History) -> None:
    shop(history.world)
    await history.catch_up()
    assert (await history.total()).customers == 2
    history.world.merge(ANN, BEN)
    await history.catch_up()
    assert (await history.channels())["web"].customers == 1
    assert (await history.total()).customers == 1
    ben = history.world.vault.bind(BEN_WEB).id
    history.world.move(ben, BEN)
    await history.catch_up()
    assert (await history.total()).customers == 2


@pytest.mark.parametrize("apart", [True, False])
async def test_a_merge_that_names_no_bindings_restates_as_well(history: History, apart: bool) -> None:
    """Too many to name: see MAX_MOVED. Stored before, or on their way in the same batch."""
    shop(history.world)
    if apart:
        await history.catch_up()
        assert (await history.total()).customers == 2
    history.world.merge(ANN, BEN, tell=False)
    history.world.merge(customer("cleo"), ANN, tell=False)
    await history.catch_up()
    assert (await history.total()).customers == 1


async def test_an_order_is_credited_to_the_last_touch_before_it(history: History) -> None:
    shop(history.world)
    await history.catch_up()
    credits = await history.credits()
    assert {key: (each.orders, each.revenue) for key, each in credits.items()} == {
        ("web", "douyin", "autumn"): (2, {"CNY": 2_500}),
        ("direct", "", ""): (1, {"USD": 200}),
    }


async def test_a_merge_moves_credit_from_direct_to_the_touch_of_the_other_half(history: History) -> None:
    shop(history.world)
    history.world.merge(ANN, BEN)
    await history.catch_up()
    credits = await history.credits()
    assert list(credits) == [("web", "douyin", "autumn")]
    assert credits["web", "douyin", "autumn"].revenue == {"CNY": 2_500, "USD": 200}


async def test_a_touch_older_than_the_window_leads_to_nothing(history: History) -> None:
    history.world.send(
        Sent(ANN, ANN_WEB, campaign("douyin", "autumn"), NOON - 10 * DAY), Sent(ANN, ANN_WEB, order(5), NOON)
    )
    await history.catch_up()
    assert list(await history.credits(window=10 * DAY)) == [("web", "douyin", "autumn")]
    assert list(await history.credits(window=10 * DAY - 1)) == [("direct", "", "")]


async def test_the_order_itself_and_the_place_in_the_log_decide_between_touches_of_one_moment(history: History) -> None:
    history.world.send(
        Sent(ANN, ANN_WEB, campaign("first", "a"), NOON),
        Sent(ANN, ANN_WEB, campaign("second", "b"), NOON),
        Sent(ANN, ANN_WEB, order(5), NOON),
        Sent(ANN, ANN_WEB, campaign("later", "c"), NOON),
        Sent(BEN, BEN_WEB, campaign("own", "d", "Order Completed"), NOON),
    )
    history.world.send(Sent(BEN, BEN_WEB, order(9, campaign={"source": "own"}), NOON + 1))
    await history.catch_up()
    assert sorted(await history.credits()) == [("web", "own", ""), ("web", "second", "b")]


async def test_a_touch_before_the_span_is_credited_with_an_order_inside(history: History) -> None:
    history.world.send(Sent(ANN, ANN_WEB, campaign("douyin", "autumn"), NOON - DAY), Sent(ANN, ANN_WEB, order(5), NOON))
    await history.catch_up()
    assert list(await history.credits(start=NOON)) == [("web", "douyin", "autumn")]


async def test_delivered_twice_nothing_changes(history: History) -> None:
    shop(history.world)
    await history.catch_up()
    before = await history.digest()
    await history.consumer().catch_up()
    assert await history.digest() == before
    assert await history.ask("SELECT count() FROM {g}.events") == [(6,)]


async def test_what_a_dead_process_left_beyond_its_position_is_not_seen_and_taken_back(history: History) -> None:
    shop(history.world)
    await history.catch_up()
    before, total = await history.digest(), await history.total()
    generation = (await history.standing()).generation
    columns = "* REPLACE (entry + 100 AS entry, minor + 1 AS minor)"
    phantom = f"INSERT INTO {generation}.events SELECT {columns} FROM {generation}.events"  # noqa: S608
    await history.engine.write(lambda client: client.command(phantom))
    assert await history.total() == total
    assert await history.digest() == before
    history.world.send(Sent(ANN, ANN_WEB, track(), NOON))
    await history.catch_up()
    assert await history.total() == Sums(7, 2, 3, {"CNY": 2_500, "USD": 200})
    assert await history.ask("SELECT count() FROM {g}.events") == [(7,)]


async def test_a_lost_transaction_is_written_again_once(history: History) -> None:
    shop(history.world)
    await history.world.write(history.log)
    consumer = history.consumer()

    async def fail(*_: object) -> None:
        raise OSError("the database went away")

    projection: Any = consumer.projection
    booked, projection._book = projection._book, fail
    with pytest.raises(OSError, match="went away"):
        await consumer.catch_up()
    assert len(await history.engine.write(databases)) == 1
    projection._book = booked
    await consumer.catch_up()
    assert (await history.total()).events == 6
    assert await history.ask("SELECT count() FROM {g}.events") == [(6,)]


async def test_an_erased_person_is_out_of_every_figure_at_once_and_off_the_disk_after(history: History) -> None:
    shop(history.world)
    secret = "campaign-of-ben-7f3a"
    history.world.send(Sent(BEN, BEN_WEB, campaign("qr", secret), NOON, source="source-b"))
    await history.catch_up()
    ben = history.world.vault.bind(BEN_WEB).id
    assert history.files_with(secret.encode())
    assert history.files_with(ben)
    assert history.files_with(BEN)
    history.world.erase(BEN)
    await history.catch_up()
    assert await history.total() == Sums(3, 1, 2, {"CNY": 2_500})
    assert await history.accounts() == {"source-a": (3, 3), "source-b": (0, 1)}
    assert await history.erase_on_disk() == 1
    assert history.files_with(secret.encode()) == []
    assert history.files_with(BEN) == []
    assert await history.ask("SELECT count() FROM {g}.events") == [(3,)]
    assert await history.erase_on_disk() == 0


async def test_an_erasure_is_confirmed_with_counts_only_after_the_bytes_are_gone(history: History) -> None:
    shop(history.world)
    await history.catch_up()
    history.world.erase(BEN)
    await history.catch_up()
    assert await _confirmations(history) == []
    await history.erase_on_disk()
    assert await _confirmations(history) == [("request-1", '{"events":3,"bindings":1}')]


async def _confirmations(history: History) -> list[tuple[Any, ...]]:
    async with history.database.connect() as connection:
        rows = await connection.exec_driver_sql("SELECT request, counts FROM confirmations")
        return [tuple(row) for row in rows]


async def test_events_whose_key_is_destroyed_already_are_counted_as_erased(history: History) -> None:
    shop(history.world)
    history.world.erase(BEN, destroy=True)
    await history.catch_up()
    assert await history.accounts() == {"source-a": (3, 3)}
    assert await history.ask("SELECT count() FROM {g}.events") == [(3,)]


async def test_suppressed_events_never_enter(history: History) -> None:
    history.world.send(Sent(ANN, ANN_WEB), Sent(ANN, ANN_WEB, outcome=SUPPRESSED))
    await history.catch_up()
    assert (await history.total()).events == 1


async def test_a_binding_that_the_vault_has_never_heard_of_stops_the_consumer(history: History) -> None:
    history.world.send(Sent(ANN, ANN_WEB))
    history.world.vault.data_keys.clear()
    with pytest.raises(InsightsFault, match="neither a key nor an erasure"):
        await history.catch_up()


async def test_the_state_does_not_depend_on_how_the_log_was_cut_into_batches_or_when_it_was_erased(
    history: History,
) -> None:
    shop(history.world)
    await history.catch_up()
    history.world.erase(BEN)
    await history.catch_up()
    hidden = await history.digest()
    await history.erase_on_disk()
    assert await history.digest() == hidden
    assert await _replayed(history) == (hidden, hidden)


async def _replayed(history: History) -> tuple[str, str]:
    url = history.database.url.render_as_string(hide_password=False)
    done = await checking.rebuild(history.engine, history.database, url, history.log, history.world.vault, 1)
    return done.before, done.after


async def test_a_replay_gives_the_same_and_leaves_one_generation(history: History) -> None:
    shop(history.world)
    history.world.merge(ANN, BEN)
    await history.catch_up()
    before, total, old = await history.digest(), await history.total(), (await history.standing()).generation
    assert await _replayed(history) == (before, before)
    new = (await history.standing()).generation
    assert new != old
    assert await history.ask("SELECT name FROM system.databases WHERE name LIKE 'generation%'") == [(new,)]
    assert await history.total() == total
    history.world.send(Sent(ANN, ANN_WEB))
    await history.catch_up()
    assert (await history.total()).events == total.events + 1


async def test_a_replay_heals_a_history_that_lost_rows_and_says_that_it_was_another(history: History) -> None:
    shop(history.world)
    await history.catch_up()
    total, generation = await history.total(), (await history.standing()).generation
    await checking.require_whole(history.engine, history.database)
    await history.engine.write(
        lambda client: client.command(
            f"ALTER TABLE {generation}.events DELETE WHERE sign = 1", settings={"mutations_sync": 2}
        )
    )
    with pytest.raises(InsightsFault, match="holds 3 events, but 6 are accounted for"):
        await checking.require_whole(history.engine, history.database)
    before, after = await _replayed(history)
    assert before != after
    assert await history.total() == total
    await checking.require_whole(history.engine, history.database)


async def test_a_replay_confirms_no_erasure_a_second_time(history: History) -> None:
    shop(history.world)
    history.world.erase(BEN)
    await history.catch_up()
    await history.erase_on_disk()
    confirmed = await _confirmations(history)
    await _replayed(history)
    await history.erase_on_disk()
    assert await _confirmations(history) == confirmed


async def test_a_replay_leaves_nothing_of_the_erased_in_the_files_of_the_old_generation(history: History) -> None:
    shop(history.world)
    secret = "campaign-of-ben-91c4"
    history.world.send(Sent(BEN, BEN_WEB, campaign("qr", secret), NOON))
    await history.catch_up()
    history.world.erase(BEN)
    await history.catch_up()
    assert history.files_with(secret.encode())
    await _replayed(history)
    await history.erase_on_disk()
    assert history.files_with(secret.encode()) == []
    assert history.files_with(BEN) == []
    assert await history.accounts() == {"source-a": (3, 4)}
