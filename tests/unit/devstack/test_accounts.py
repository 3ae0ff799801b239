"""The accounting balances exactly, and says what is missing or too much when it does not."""

import pytest

from libs.common.clock import SECOND
from libs.common.contracts.events import EVENTS, Batch, Event
from libs.common.contracts.stitched import DUPLICATE, FRESH, STITCHED, Facts, Origin, Stitched, Tick
from libs.common.eventlog.memory import MemoryLog
from libs.devstack.inflight import accepted_between, fresh_between
from libs.devstack.reconciling import Account

INGEST = {"received": 10, "accepted": 7, "rejected": 1, "duplicate": 1, "suppressed": 1}
IDENTITY = {"fresh": 4, "duplicate": 1, "suppressed": 0}
PROFILE = {"stored": 2, "erased": 1}
INSIGHTS = {"stored": 1, "erased": 1}


def account(to_identity: int = 2, to_profile: int = 1, **changes: dict[str, int]) -> Account:
    counts = {"ingest": INGEST, "identity": IDENTITY, "profile": PROFILE, "insights": INSIGHTS, **changes}
    ingest, identity, profile, insights = (counts[name] for name in ("ingest", "identity", "profile", "insights"))
    return Account("src", "web", ingest, identity, profile, insights, to_identity, to_profile, 2)


def test_what_is_in_flight_belongs_to_the_balance() -> None:
    assert account().balanced
    summary = account().summary
    assert summary["received"] == sum(count for name, count in summary.items() if name != "received")


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        (account(ingest=INGEST | {"rejected": 0}), "ingest received 10 events and accounts for 9: 1 missing"),
        (account(to_identity=1), "identity was given 6 events and decided about 5: 1 missing"),
        (account(identity=IDENTITY | {"duplicate": 3}), "identity was given 5 events and decided about 7: 2 too many"),
        (account(profile=PROFILE | {"stored": 1}), "profile was given 3 events and keeps or erased 2: 1 missing"),
        (account(insights=INSIGHTS | {"erased": 2}), "insights was given 2 events and keeps or erased 3: 1 too many"),
    ],
)
def test_an_imbalance_says_where_and_how_much(changed: Account, fault: str) -> None:
    assert changed.faults == [fault]


def batch(workspace: str, *sources: int) -> bytes:
    events = [Event(bytes(16), source, 0, SECOND, SECOND, b"") for source in sources]
    return EVENTS.encode(Batch(workspace, SECOND, "intl-v1", ["a", "b"], [], events, [], []))


async def test_accepted_events_between_two_positions_are_counted_per_source_and_workspace() -> None:
    log = MemoryLog()
    for entry in (batch("w", 0, 0, 1), batch("other", 0), batch("w", 1)):
        await log.append("EVENTS_0", entry)
    assert await accepted_between(log, 0, 0, 3, "w") == {"a": 2, "b": 2}
    assert await accepted_between(log, 0, 1, 3, "w") == {"b": 1}
    assert await accepted_between(log, 0, 3, 1, "w") == {"b": -1}
    assert await accepted_between(log, 0, 2, 2, "w") == {}


async def test_only_fresh_events_of_stitched_are_on_their_way_to_the_profile() -> None:
    log = MemoryLog()
    outcomes = [bytes([FRESH, DUPLICATE, FRESH]), bytes([DUPLICATE])]
    entries = [batch("w", 0, 0, 1), batch("w", 1)]
    await log.append("STITCHED_0", STITCHED.encode(Tick(Origin("log", 1, 0), SECOND)))
    await log.append(
        "STITCHED_0",
        STITCHED.encode(Stitched(Origin("log", 1, 2), SECOND, entries, [Facts(outcome) for outcome in outcomes])),
    )
    assert await fresh_between(log, 0, 0, 2, "w") == {"a": 1, "b": 1}
    assert not +(await fresh_between(log, 0, 2, 2, "w"))
