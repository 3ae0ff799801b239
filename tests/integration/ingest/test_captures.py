"""What unmodified Segment SDKs really sent, replayed byte for byte."""

import pytest

from libs.common.contracts.body import Money
from services.ingest.pipeline import Source
from services.ingest.registry import SourceCache
from tests.captures import Captured, load
from tests.integration.ingest.harness import House

FILES = [
    *("py_segment_ok", "py_segment_gzip", "py_segment_429", "py_segment_500", "py_segment_400"),
    *("node_segment_ok", "node_segment_429", "node_segment_500", "node_segment_400"),
    *("browser_segment", "browser_segment_batching"),
]


@pytest.fixture
def any_key(house: House) -> House:
    """The captures' own write keys belong to a source here."""

    async def known(_: bytes) -> Source:
        return Source("src_captures", "web")

    house.ingest.sources = SourceCache(known, house.clock, 3)
    return house


async def replay(house: House, captured: Captured) -> None:
    answer = await house.client.request(captured.method, captured.path, headers=captured.headers, content=captured.body)
    assert answer.is_success, answer.text


@pytest.mark.parametrize("file", FILES)
async def test_every_recorded_request_is_accepted_with_every_event(any_key: House, file: str) -> None:
    recorded = load(file)
    for captured in recorded:
        await replay(any_key, captured)
    sent = [event for captured in recorded for event in captured.events]
    assert await any_key.rejects() == []
    stored = [body.message_id for _, body in await any_key.events()]
    assert stored == [event["messageId"] for event in sent]


@pytest.mark.parametrize("file", ["py_segment_429", "py_segment_500", "node_segment_429", "node_segment_500"])
async def test_a_retry_has_the_ids_of_the_first_try(any_key: House, file: str) -> None:
    recorded = load(file)
    for captured in recorded:
        await replay(any_key, captured)
    ids = [event.id for event, _ in await any_key.events()]
    per_try = len(ids) // len(recorded)
    assert len(recorded) == 3
    assert ids[:per_try] == ids[per_try : 2 * per_try] == ids[2 * per_try :]


async def test_the_meaning_of_each_call_survives(any_key: House) -> None:
    for captured in load("py_segment_ok"):
        await replay(any_key, captured)
    bodies = {body.type: body for _, body in await any_key.events() if body.event != "Viewed"}
    order = bodies["track"]
    assert (order.event, order.money) == ("Order Completed", Money(9950, "CNY"))
    assert (order.medium, order.campaign) == ("cpc", {"source": "douyin"})
    assert "ip" not in order.context
    assert bodies["group"].properties == {"group_id": "g-1", "group": {"name": "ACME"}}
    kinds = [[one.kind for one in people] for people in await any_key.identifiers()]
    assert kinds == [["user_id", "phone", "email"], *[["user_id"]] * 4, ["user_id", "anonymous_id"], ["anonymous_id"]]


async def test_the_browser_is_told_where_to_send(any_key: House) -> None:
    settings, *_ = load("browser_segment")
    answer = await any_key.client.get(settings.path, headers=settings.headers)
    assert answer.json()["integrations"]["Segment.io"]["apiHost"] == "door/v1"
