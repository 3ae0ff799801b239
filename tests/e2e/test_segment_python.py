"""The unmodified segment-analytics-python against the whole stack, through refusals and lost connections."""

import threading
from typing import Any

import pytest
from segment.analytics.client import Client

from tests.e2e.accounted import account, balance, new_source
from tests.e2e.moody import CUT, LOSE, PASS, REFUSE_429, REFUSE_503, moody_door
from tests.stack import RunningStack

pytestmark = pytest.mark.stack

MOODS = [REFUSE_503, PASS, LOSE, REFUSE_429, PASS, CUT, LOSE, PASS, REFUSE_503]


class Sender:
    """A client that keeps the messageId of everything it was given, and everything it gave up."""

    def __init__(self, key: str, host: str, **options: Any) -> None:
        self.message_ids: list[str] = []
        self.failed: list[Any] = []
        self.client = Client(
            key,
            host=host,
            upload_interval=0.05,
            on_error=lambda _, items: self.failed.extend(items),
            proxies={"http": ""},
            **options,
        )

    def __getattr__(self, call: str) -> Any:
        def send(*positional: Any, **named: Any) -> None:
            queued, message = getattr(self.client, call)(*positional, **named)
            assert queued
            self.message_ids.append(message["messageId"])

        return send


@pytest.mark.parametrize("gzip", [False, True])
def test_every_event_arrives_once_through_refusals_cuts_and_lost_answers(stack: RunningStack, gzip: bool) -> None:
    source = new_source(stack, f"python gzip={gzip}")
    with moody_door(stack.url("ingest"), MOODS) as door:
        sender = Sender(source.key, door.url, gzip=gzip, thread=3, upload_size=10)
        for number in range(150):
            sender.track(f"py-{gzip}-{number % 7}", "Order Completed", {"revenue": number, "order": number})
        sender.client.shutdown()
    assert sender.failed == []
    assert door.seen[LOSE] == 2
    found = account(stack, source, sender.message_ids)
    assert (found.missing, found.unknown, found.rejected) == ([], 0, 0)
    assert len(found.stored) == 150
    # A lost answer makes the client send again: doubled in the log, which identity sees and counts.
    doubled = sum(found.stored.values()) - 150
    assert doubled > 0
    stack.catchup()
    assert balance(stack, source)["accepted"] == 150 + doubled
    assert stack.wanliu("reconcile").returncode == 0


def test_all_six_calls_from_many_threads_arrive(stack: RunningStack) -> None:
    source = new_source(stack, "python threads")
    sender = Sender(source.key, stack.url("ingest"), thread=2)

    def visit(number: int) -> None:
        user, browser = f"thread-{number}", f"browser-{number}"
        sender.page(anonymous_id=browser, name="Home", properties={"url": "https://shop.cn/?utm_source=weibo"})
        sender.identify(user, {"email": f"t{number}@example.com", "name": "韩梅梅"}, anonymous_id=browser)
        sender.track(user, "Product Viewed", {"price": 9.5})
        sender.screen(user, name="Basket")
        sender.group(user, "club", {"name": "Gold"})
        sender.alias(browser, user)

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender.client.shutdown()
    found = account(stack, source, sender.message_ids)
    assert (found.missing, found.unknown, found.rejected) == ([], 0, 0)
    assert set(found.stored.values()) == {1}
    assert len(found.stored) == 48


def test_a_bad_event_among_good_ones_is_refused_and_seen_by_the_operator(stack: RunningStack) -> None:
    source = new_source(stack, "python bad event")
    sender = Sender(source.key, stack.url("ingest"))
    sender.track("good-1", "Fine")
    sender.track("good-1", "")
    sender.track("unknown", "Nobody")
    sender.track("good-1", "Not a number", {"revenue": float("nan")})
    sender.client.shutdown()
    assert sender.failed == []
    found = account(stack, source, sender.message_ids)
    assert len(found.stored) == 1
    assert found.rejected == 3
    stack.catchup()
    assert balance(stack, source) == {"received": 4, "accepted": 1, "rejected": 3, "duplicate": 0, "suppressed": 0}
