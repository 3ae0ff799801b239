import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from libs.common.identifiers import normalise
from libs.devstack.demo import bulk, shop
from libs.devstack.demo.cast import new_cast
from libs.devstack.errors import StackError

Answer = tuple[int, dict[str, str]]


class Door:
    """A front door on a real socket: keeps what it accepted, answers as told, then 200."""

    def __init__(self) -> None:
        self.answers: list[Answer | None] = []
        self.events: list[dict[str, Any]] = []
        self.tries = 0
        self._lock = threading.Lock()
        door = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                answer = door.decide(json.loads(body)["batch"])
                if answer is None:
                    self.close_connection = True
                    return
                self.send_response(answer[0])
                for name, value in {**answer[1], "content-length": "0"}.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def decide(self, events: list[dict[str, Any]]) -> Answer | None:
        with self._lock:
            self.tries += 1
            answer = self.answers.pop(0) if self.answers else (200, {})
            if answer and answer[0] == 200:
                self.events += events
            return answer


@pytest.fixture
def door() -> Iterator[Door]:
    found = Door()
    thread = threading.Thread(target=found.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    found.server.shutdown()
    thread.join()
    found.server.server_close()


def ids(events: list[dict[str, Any]]) -> list[str]:
    return sorted(event["messageId"] for event in events)


async def test_every_order_is_sent_once(door: Door) -> None:
    history, counted = shop.invent(customers=500), list[int]()
    await bulk.send(history, door.url, "key", counted.append)
    assert ids(door.events) == sorted(f"SHOP-order-{one.number:06}" for one in history.purchases)
    assert sum(counted) == len(history.purchases)


async def test_a_batch_is_sent_again_after_503_and_after_a_cut_connection(door: Door) -> None:
    history = shop.invent(customers=300)
    door.answers = [(503, {"Retry-After": "0"}), None, (429, {})]
    await bulk.send(history, door.url, "key", lambda _: None)
    assert ids(door.events) == sorted(f"SHOP-order-{one.number:06}" for one in history.purchases)
    assert door.tries == 3 + -(-len(history.purchases) // bulk.BATCH_EVENTS)


async def test_a_refusal_for_good_ends_the_loading_with_its_reason(door: Door) -> None:
    door.answers = [(401, {})] * 99
    with pytest.raises(StackError, match="ingest refused a batch: 401"):
        await bulk.send(shop.invent(customers=5), door.url, "key", lambda _: None)


async def test_patience_ends(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "PATIENCE_SECONDS", 0.0)
    door.answers = [(503, {})] * 99
    with pytest.raises(StackError, match=r"did not accept a batch for 0 s; it last said: 503"):
        await bulk.send(shop.invent(customers=5), door.url, "key", lambda _: None)


def test_every_identifier_of_the_cast_is_one_that_ingest_takes() -> None:
    person = new_cast().customer
    assert all(normalise(kind, value) for kind, value in person.identifiers.items())
    assert new_cast("x") == new_cast("x")
    assert new_cast("x") != new_cast("y")
