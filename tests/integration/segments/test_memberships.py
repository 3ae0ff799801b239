"""Who is in which segment and why, on real PostgreSQL: by events, by time, by consent; merged, restricted, erased."""

from typing import Any

import pytest

from libs.common.contracts.stitched import Merged
from libs.common.purposes import Decision
from services.segments import deciding, folding
from tests.integration.profile.world import DAY, HOUR, NOON, Sent, customer, ids, track
from tests.integration.segments.story import BUYER, EVER_BOUGHT, GOLD, Story
from tests.postgres import Database

ANNA, BEN = customer("anna"), customer("ben")
PHONE, DEVICE = ids(phone="+8613912345678"), ids(device_id="d1")


@pytest.fixture
async def story(database: Database) -> Story:
    return Story(await database("segments"))


async def test_an_event_makes_a_member_and_what_came_before_the_definition_counts(story: Story) -> None:
    story.did(ANNA, PHONE)
    story.define("buyers", BUYER)
    await story.follow()
    assert await story.members("buyers") == {b"anna"}
    story.did(BEN, DEVICE)
    await story.follow()
    assert await story.members("buyers") == {b"anna", b"ben"}
    assert await story.crossings() == [("in", "buyers", "defined", b"anna"), ("in", "buyers", "event", b"ben")]


async def test_a_member_leaves_when_the_window_has_passed_without_any_event(story: Story) -> None:
    story.define("buyers", BUYER)
    story.did(ANNA, PHONE)
    await story.follow()
    assert await story.members("buyers") == {b"anna"}
    await story.tick(NOON + 2 * DAY + HOUR - 1)
    assert await story.members("buyers") == {b"anna"}
    await story.tick(NOON + 2 * DAY + HOUR)
    assert await story.members("buyers") == set()
    assert (await story.crossings())[-1] == ("out", "buyers", "time", b"anna")
    assert await story.rows("SELECT * FROM due") == []


async def test_silence_makes_a_member_and_an_event_ends_it(story: Story) -> None:
    story.define("asleep", {"not_seen": {"days": 30}})
    story.did(ANNA, PHONE)
    await story.tick(NOON + 30 * DAY - 1)
    assert await story.members("asleep") == set()
    await story.tick(NOON + 30 * DAY)
    assert await story.members("asleep") == {b"anna"}
    story.did(ANNA, PHONE, track("View"))
    await story.follow()
    assert await story.members("asleep") == set()


async def test_a_purpose_that_needs_consent_admits_nobody_without_and_nobody_after_withdrawal(story: Story) -> None:
    story.define("buyers", BUYER, "marketing")
    story.did(ANNA, PHONE)
    await story.follow()
    assert await story.members("buyers") == set()
    story.decide(PHONE[0], True)
    await story.follow()
    assert await story.members("buyers") == {b"anna"}
    story.decide(PHONE[0], False)
    await story.follow()
    assert await story.members("buyers") == set()
    assert await story.crossings() == [
        ("in", "buyers", "consent", b"anna"),
        ("out", "buyers", "consent_withdrawn", b"anna"),
    ]


async def test_an_older_consent_that_arrives_after_a_withdrawal_undoes_nothing(story: Story) -> None:
    story.define("buyers", BUYER, "marketing")
    story.did(ANNA, PHONE)
    story.decide(PHONE[0], False)
    await story.follow()
    story.decide(PHONE[0], True, at=NOON - 1)
    await story.follow()
    assert await story.members("buyers") == set()
    story.decide(PHONE[0], True)
    await story.follow()
    assert await story.members("buyers") == {b"anna"}


async def test_with_a_gate_that_allows_by_default_the_consent_test_is_red(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deciding, "may_process", lambda *_, **__: Decision(True, "patched"))
    with pytest.raises(AssertionError):
        await test_a_purpose_that_needs_consent_admits_nobody_without_and_nobody_after_withdrawal(story)


async def test_one_pseudonym_that_withdrew_denies_the_whole_customer(story: Story) -> None:
    story.define("buyers", BUYER, "marketing")
    story.decide(PHONE[0], True)
    story.did(ANNA, PHONE)
    await story.follow()
    assert await story.members("buyers") == {b"anna"}
    story.decide(DEVICE[0], False)
    story.did(ANNA, DEVICE, track("View"))
    await story.follow()
    assert await story.members("buyers") == set()


async def test_a_restriction_takes_them_out_and_its_end_lets_them_in_again(story: Story) -> None:
    story.define("buyers", BUYER)
    story.did(ANNA, PHONE)
    story.restrict(PHONE[0])
    await story.follow()
    assert await story.members("buyers") == set()
    story.restrict(PHONE[0], lifted=True)
    await story.follow()
    assert await story.members("buyers") == {b"anna"}
    assert [way[:3] for way in await story.crossings()] == [
        ("in", "buyers", "event"),
        ("out", "buyers", "restricted"),
        ("in", "buyers", "restriction"),
    ]


async def test_who_is_restricted_by_two_requests_is_so_until_both_are_lifted(story: Story) -> None:
    story.define("buyers", BUYER)
    story.did(ANNA, PHONE)
    story.restrict(PHONE[0])
    story.restrict(PHONE[0], request="r2")
    story.restrict(PHONE[0], lifted=True)
    await story.follow()
    assert await story.members("buyers") == set()
    story.restrict(PHONE[0], lifted=True, request="r2")
    await story.follow()
    assert await story.members("buyers") == {b"anna"}


async def test_a_merge_that_names_no_bindings_brings_what_was_withdrawn_along(story: Story) -> None:
    story.define("twice", {"event": {"name": "Order Completed", "count": 2}})
    story.define("buyers", BUYER, "marketing")
    story.did(ANNA, PHONE)
    story.did(BEN, DEVICE)
    story.decide(PHONE[0], True)
    story.decide(DEVICE[0], False)
    await story.follow()
    assert await story.members("buyers") == {b"anna"}
    story.world.merge(ANNA, BEN, tell=False)
    await story.follow()
    assert await story.members("twice") == {b"anna"}
    assert await story.members("buyers") == set()


async def test_a_merge_adds_up_and_the_customer_that_ended_leaves(story: Story) -> None:
    story.define("twice", {"event": {"name": "Order Completed", "count": 2}})
    story.define("buyers", BUYER)
    story.did(ANNA, PHONE)
    story.did(BEN, DEVICE)
    await story.follow()
    assert await story.members("twice") == set()
    story.world.merge(ANNA, BEN)
    await story.follow()
    assert await story.members("twice") == {b"anna"}
    assert await story.members("buyers") == {b"anna"}
    assert ("out", "buyers", "merged", b"ben") in await story.crossings()
    assert await story.rows("SELECT customer, winner FROM aliases") == [(BEN, ANNA)]


async def test_a_binding_that_moves_takes_its_events_along(story: Story) -> None:
    story.define("buyers", BUYER)
    story.did(ANNA, PHONE)
    story.did(BEN, DEVICE, track("View"))
    await story.follow()
    story.world.move(story.world.vault.bind(PHONE).id, BEN)
    await story.follow()
    assert await story.members("buyers") == {b"ben"}


async def test_the_erased_leave_at_once_and_nothing_of_them_stays(story: Story) -> None:
    story.define("buyers", BUYER, "marketing")
    story.decide(PHONE[0], True)
    story.did(ANNA, PHONE)
    story.did(BEN, DEVICE)
    await story.follow()
    story.world.erase(ANNA)
    await story.follow()
    assert await story.members("buyers") == set()
    assert (await story.crossings())[-1] == ("out", "buyers", "erased", b"anna")
    for table in ("members", "due", "consents", "aliases"):
        assert await story.rows(f"SELECT * FROM {table}") == [], table  # noqa: S608
    assert await story.rows("SELECT customer FROM bindings") == [(BEN,)]
    counts = '{"bindings":1,"memberships":1,"consents":1}'
    assert await story.rows("SELECT request, counts, sent FROM confirmations") == [("request-1", counts, False)]


@pytest.mark.parametrize("definition", [BUYER, {"not": [{"event": {"name": "Never"}}]}])
async def test_keys_destroyed_before_the_fact_arrives_already_end_the_membership(story: Story, definition: Any) -> None:
    story.define("some", definition)
    story.did(ANNA, PHONE)
    await story.follow()
    assert await story.members("some") == {b"anna"}
    story.world.vault.erase([story.world.vault.bind(PHONE).id], [])
    story.did(ANNA, PHONE, track("View"))
    await story.follow()
    assert await story.members("some") == set()
    assert (await story.crossings())[-1] == ("out", "some", "erased", b"anna")


async def test_redefining_and_deleting(story: Story) -> None:
    story.did(ANNA, PHONE, track("Signed Up", traits={"plan": "gold"}))
    story.define("vip", GOLD)
    await story.follow()
    assert await story.members("vip") == {b"anna"}
    story.define("vip", EVER_BOUGHT)
    await story.follow()
    assert await story.members("vip") == set()
    story.define("vip", GOLD)
    await story.follow()
    story.define("vip", GOLD, "marketing")
    await story.follow()
    assert await story.members("vip") == set()
    assert [each.reason for output in await story.outputs() for f in output.facts for each in f.cleared] == [
        "purpose_changed"
    ]
    story.delete("vip")
    await story.follow()
    assert await story.rows("SELECT * FROM segments") == []


async def test_back_filling_goes_in_steps_and_reaches_everybody(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folding, "PER_ENTRY", 3)
    monkeypatch.setattr("services.segments.loading.PER_ENTRY", 3)
    for number in range(10):
        story.did(customer(f"c{number}"), ids(device_id=f"d{number}"))
    story.define("buyers", BUYER)
    await story.follow()
    assert len(await story.members("buyers")) == 3
    for number in range(3):
        await story.tick(NOON + number)
    assert len(await story.members("buyers")) == 10
    assert await story.rows("SELECT * FROM sweeps") == []
    for number in range(4):
        await story.tick(NOON + 3 * DAY + number)
    assert await story.members("buyers") == set()


async def test_a_merge_within_one_entry_of_identity_is_followed(story: Story) -> None:
    story.define("buyers", BUYER)
    story.did(BEN, DEVICE)
    await story.follow()
    story.world.send(Sent(ANNA, PHONE, track("View"), NOON, NOON), merged=[Merged(ANNA, BEN, b"e")])
    await story.follow()
    assert await story.members("buyers") == {b"anna"}


async def test_every_range_of_stitched_is_covered_once(story: Story) -> None:
    story.define("buyers", BUYER)
    for number in range(30):
        story.did(ANNA, PHONE)
        if number % 7 == 0:
            await story.tick(NOON + number)
    await story.follow()
    end = await story.log.end("STITCHED_0")
    covered = [p for output in await story.outputs() for p in range(output.origin.first, output.origin.last + 1)]
    assert covered == list(range(1, end + 1))
    found = await story.rows("SELECT position, out_position FROM positions")
    assert found == [(end, await story.log.end("SEGMENTS_0"))]


async def test_a_name_beyond_those_a_fragment_keeps_counts_in_no_batch(story: Story) -> None:
    story.define("late", {"event": {"name": "zzz"}})
    for number in range(257):
        story.did(ANNA, PHONE, track(f"name {number:03}"))
    story.did(ANNA, PHONE, track("zzz"))
    await story.follow()
    assert await story.members("late") == set()
