"""The demo's acts, in order. Each says what it does, does it on the running stack, and checks what it says."""

from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

from rich.console import Console

from libs.devstack.demo import channels, reading
from libs.devstack.demo.accounting import account_for_everything
from libs.devstack.demo.cast import new_cast
from libs.devstack.demo.checks import must, must_equal
from libs.devstack.demo.doors import Doors
from libs.devstack.demo.farewell import forget, look_around
from libs.devstack.demo.figures import Numbers, show_numbers
from libs.devstack.demo.history import load_history
from libs.devstack.demo.marketing import consent_and_enter, withdraw_and_leave
from libs.devstack.demo.screen import Screen, day, money, short
from libs.devstack.demo.shop import find_history
from libs.devstack.demo.stage import Stage
from libs.devstack.stack import Stack

WEB, APP, WECHAT, STORE = "Demo web shop", "Demo app", "Demo WeChat account", "Demo store tills"


def run(stack: Stack, console: Console, *, cdnow: Path | None = None, full: bool = False, stays: bool = True) -> None:
    """Plays the whole demo on a running stack. Raises StoryBroken (a StackError) when anything told is not so.

    `cdnow` is the purchase history to load; `full` loads all of it instead of the first few thousand orders;
    `stays` says that the stack runs on, so that there is something to try afterwards.
    """
    started, history = monotonic(), find_history(cdnow)
    stage = Stage(stack, Screen(console), Doors(stack), new_cast())
    stage.screen.say(f"[bold]万流归宗[/]  ten thousand streams, one source  [dim](run {stage.cast.run})[/]")
    numbers = Numbers(stage)
    send_from_four_channels(stage)
    customer = meet_one_customer(stage)
    friend = meet_the_friend(stage, customer)
    regular = load_history(stage, history, full)
    segment = consent_and_enter(stage, customer)
    show_numbers(stage, numbers, customer, friend)
    withdraw_and_leave(stage, customer, segment)
    forget(stage, customer, friend, numbers)
    account_for_everything(stage)
    if stays:
        look_around(stage, regular)
    else:
        stage.screen.say("\nThis stack ends with the demo; `make run` keeps one running to look around in.")
    stage.screen.say(f"\nEvery claim above was checked. It took {monotonic() - started:.0f} s.")


def send_from_four_channels(stage: Stage) -> None:
    """One person on the web, in the app, on WeChat and in a store."""
    screen, person, days = stage.screen, stage.cast.customer, channels.Days()
    screen.act("1  One person on four channels")
    screen.say("Each channel is a source with its own write key. All send with Segment's unmodified Python client.")
    plays: list[tuple[str, str, Callable[..., int], str]] = [
        (WEB, "web", channels.web, "anonymous_id; then user_id, email"),
        (APP, "app", channels.app, "user_id, device_id, phone (gzip)"),
        (WECHAT, "social", channels.wechat, "wechat_openid, wechat_unionid, phone"),
        (STORE, "store", channels.store, "member_card, phone (one receipt, sent twice)"),
    ]
    rows = []
    for name, channel, play, knows in plays:
        sent = play(stage.doors.open(name, channel), person, days)
        rows.append((name, channel, str(sent), knows))
    screen.table(("source", "channel", "sent", "what it knows of her"), rows, right=(2,))
    screen.say(f"All acknowledged, so all on disk. In the profiles {stage.catch_up():.2f} s later.")


def meet_one_customer(stage: Stage) -> str:
    """Every identifier leads to the same customer; returns her id."""
    screen, person = stage.screen, stage.cast.customer
    screen.act("2  One customer, whichever identifier you ask by")
    found = reading.look_up(stage.stack, person.identifiers)
    ids = {kind: profile["customer_id"] if profile else "404" for kind, profile in found.items()}
    screen.table(
        ("identifier", "value", "customer"),
        [(kind, value, short(ids[kind])) for kind, value in person.identifiers.items()],
    )
    must_equal(len(set(ids.values())), 1, "the number of customers behind her identifiers")
    profile = found["phone"]
    assert profile is not None  # noqa: S101 - all ids are equal, and 404 for all fails the next check
    must(profile["customer_id"].startswith("cus_"), "her identifiers lead to a customer")
    screen.say(f"All eight lead to {profile['customer_id']}. What each channel adds:")
    show_channels(screen, profile)
    check_sums(profile)
    show_timeline(screen, reading.timeline(stage.stack, profile["customer_id"]))
    hidden = ", ".join(sorted({f"{each['what']} ({each['reason']})" for each in profile["withheld"]}))
    screen.say(f"Asked for purpose `service`, without the right to reveal; withheld: {hidden or 'nothing'}.")
    return str(profile["customer_id"])


def show_channels(screen: Screen, profile: dict[str, Any]) -> None:
    """What each channel contributes, and the sum."""
    rows = [
        (each["channel"], str(each["events"]), str(each["orders"]), money(each["revenue"]), day(each["last_seen"]))
        for each in profile["channels"]
    ]
    total = profile["metrics"]
    rows.append(
        ("together", str(total["events"]), str(total["orders"]), money(total["revenue"]), day(total["last_seen"]))
    )
    screen.table(("channel", "events", "orders", "revenue", "last seen (UTC)"), rows, right=(1, 2, 3))


def check_sums(profile: dict[str, Any]) -> None:
    """Her profile is what was sent, the receipt that came twice counted once."""
    by_channel = {each["channel"]: (each["events"], each["orders"], each["revenue"]) for each in profile["channels"]}
    expected = {
        "app": (3, 1, {"CNY": channels.APP_ORDER_FEN}),
        "social": (2, 0, {}),
        "store": (1, 1, {"CNY": channels.STORE_ORDER_FEN}),
        "web": (4, 0, {}),
    }
    must_equal(by_channel, expected, "what her channels add up to")
    revenue = {"CNY": channels.APP_ORDER_FEN + channels.STORE_ORDER_FEN}
    metrics = profile["metrics"]
    must_equal((metrics["events"], metrics["orders"], metrics["revenue"]), (10, 2, revenue), "her total")


def show_timeline(screen: Screen, events: list[dict[str, Any]]) -> None:
    """Her ten events in the order in which they happened, first the anonymous ones."""
    must_equal(len(events), 10, "the length of her timeline")
    must_equal([event["channel"] for event in events][:3], ["web"] * 3, "where her timeline begins")
    rows = [
        (
            day(event["at"]),
            event["channel"],
            event["event"],
            money({event["money"]["currency"]: event["money"]["minor"]}) if event["money"] else "",
            event["campaign"].get("name", ""),
        )
        for event in events
    ]
    screen.table(("when (UTC)", "channel", "event", "amount", "campaign"), rows, right=(3,))


def meet_the_friend(stage: Stage, customer: str) -> str:
    """Another person signs in on her browser and stays another person; returns the friend's customer id."""
    screen, cast = stage.screen, stage.cast
    screen.act("3  A friend signs in on her browser")
    door = stage.doors.open(WEB, "web")
    sent = channels.borrowed_browser(door, cast, channels.Days())
    stage.catch_up()
    hers = reading.look_up(stage.stack, {"anonymous_id": cast.customer.anonymous_id})["anonymous_id"]
    friends = reading.look_up(stage.stack, {"user_id": cast.friend.user_id, "email": cast.friend.email})
    ids = {profile["customer_id"] if profile else "404" for profile in friends.values()}
    must_equal(len(ids), 1, "the number of customers behind the friend's identifiers")
    friend = str(ids.pop())
    must(friend.startswith("cus_") and friend != customer, "the friend is a customer of her own")
    must(hers is not None and hers["customer_id"] == customer, "the browser still leads to its owner")
    must_equal(hers and hers["metrics"]["events"], 10, "the number of the owner's events")
    refused = reading.refusals_between(stage.stack, customer, friend)
    must(bool(refused), "the refusal is kept with its evidence")
    screen.say(f"{sent} events with the same anonymous_id and another user_id. Two people, not one:")
    screen.table(("who", "customer"), [("owner of the browser", short(customer)), ("friend", short(friend))])
    for refusal in refused:
        held = ", ".join(each["kind"] for each in refusal["held"])
        evidence = f"entry {refusal['position']}, binding {refusal['binding'][:12]}…"
        screen.say(f"Refused by rule `{refusal['rule']}`, held out: {held}. Evidence kept: {evidence}")
    show_quarantine(stage)
    return friend


def show_quarantine(stage: Stage) -> None:
    """The event without a name did not fail its batch; it waits, sealed, with a reason."""
    rejects = reading.rejects(stage.stack, stage.doors.source(WEB))
    must(bool(rejects), "the broken event is in quarantine")
    newest = rejects[0]
    must_equal(newest["reason"], "no_event_name", "why the broken event was refused")
    why = f"`{newest['reason']}` at {newest['pointer']}"
    stage.screen.say(f"One event was broken. Its batch went through; it waits in quarantine, sealed: {why}.")
