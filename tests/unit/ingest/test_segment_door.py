"""What Segment's SDKs send, and what hostile or broken clients send in their place."""

import json
from typing import Any

import pytest

from services.ingest.doors.salvage import salvage
from services.ingest.doors.segment import Limits, parse_batch, parse_one
from services.ingest.identifiers import Claim
from services.ingest.incoming import Incoming, NotRead, Parsed, Refusal, TooMany
from services.ingest.refusals import Reason

LIMITS = Limits()
GOOD = {"type": "track", "userId": "u", "event": "E", "messageId": "m"}


def batch(*events: Any, **envelope: Any) -> bytes:
    return json.dumps({"batch": events, **envelope}).encode()


def parsed(body: bytes, key: str | None = None) -> Parsed:
    return parse_batch(body, key, LIMITS)


def only(body: bytes, kind: str = "track") -> Incoming:
    (item,) = parse_one(body, kind, None, LIMITS).items
    assert isinstance(item, Incoming), item
    return item


def refusal(body: bytes) -> tuple[Reason, str]:
    (item,) = parsed(body).items
    assert isinstance(item, Refusal)
    return item.why.reason, item.why.pointer


def raw_batch(event: bytes) -> bytes:
    return b'{"batch":[' + event + b"]}"


def test_the_six_calls_are_read() -> None:
    items = parsed(
        batch(
            {"type": "track", "userId": "u", "event": "Order Completed", "properties": {"revenue": 1}},
            {"type": "identify", "userId": "u", "traits": {"plan": "gold"}},
            {"type": "page", "userId": "u", "name": "Home", "category": "Docs", "properties": {"path": "/"}},
            {"type": "screen", "anonymousId": "a", "name": "Main"},
            {"type": "group", "userId": "u", "groupId": "g", "traits": {"name": "ACME"}},
            {"type": "alias", "userId": "u", "previousId": "a"},
        )
    ).items
    read = [item for item in items if isinstance(item, Incoming)]
    assert [item.event for item in read] == ["Order Completed", "identify", "page", "screen", "group", "alias"]
    assert read[2].properties == {"name": "Home", "category": "Docs", "path": "/"}
    assert (read[4].properties, read[4].traits) == ({"group_id": "g", "group": {"name": "ACME"}}, {})
    assert read[5].claims == [Claim("user_id", "u"), Claim("anonymous_id", "a")]


def test_the_path_says_the_type_of_a_single_call() -> None:
    assert only(b'{"userId":"u","name":"Home"}', "page").type == "page"


def test_the_write_key_is_found_in_the_body_of_a_batch_or_its_first_event() -> None:
    assert parsed(batch(GOOD, writeKey="k")).write_key == "k"
    assert parsed(batch({**GOOD, "writeKey": "k"}, GOOD)).write_key == "k"
    assert parsed(batch(GOOD)).write_key is None
    assert parse_one(json.dumps({**GOOD, "writeKey": "k"}).encode(), "track", None, LIMITS).write_key == "k"


def test_an_event_with_another_write_key_than_its_request_is_refused_alone() -> None:
    items = parsed(batch(GOOD, {**GOOD, "writeKey": "other"}), "k").items
    assert isinstance(items[0], Incoming)
    assert isinstance(items[1], Refusal)
    assert items[1].why.reason is Reason.WRITE_KEY_MISMATCH


def test_a_batchs_context_is_under_each_events_own() -> None:
    (item,) = parsed(batch({**GOOD, "context": {"locale": "zh"}}, context={"locale": "en", "timezone": "UTC"})).items
    assert isinstance(item, Incoming)
    assert item.context == {"locale": "zh", "timezone": "UTC"}


def test_an_empty_php_array_is_an_empty_object() -> None:
    assert only(b'{"event":"E","userId":"u","properties":[],"context":[]}').properties == {}


@pytest.mark.parametrize(
    ("event", "reason", "pointer"),
    [
        (b"5", Reason.INVALID_FIELD, ""),
        (b"null", Reason.INVALID_FIELD, ""),
        (b"[]", Reason.INVALID_FIELD, ""),
        (b"{}", Reason.UNKNOWN_TYPE, "/type"),
        (b'{"type":"dance","userId":"u"}', Reason.UNKNOWN_TYPE, "/type"),
        (b'{"type":"track","userId":"u"}', Reason.NO_EVENT_NAME, "/event"),
        (b'{"type":"track","userId":"u","event":"  "}', Reason.NO_EVENT_NAME, "/event"),
        (b'{"type":"track","userId":"u","event":7}', Reason.INVALID_FIELD, "/event"),
        (b'{"type":"track","userId":{},"event":"E"}', Reason.INVALID_FIELD, "/userId"),
        (b'{"type":"track","userId":true,"event":"E"}', Reason.INVALID_FIELD, "/userId"),
        (b'{"type":"track","userId":"u","event":"E","properties":"x"}', Reason.INVALID_FIELD, "/properties"),
        (b'{"type":"track","userId":"u","event":"E","properties":[1]}', Reason.INVALID_FIELD, "/properties"),
        (b'{"type":"track","userId":"u","event":"E","context":7}', Reason.INVALID_FIELD, "/context"),
        (b'{"type":"track","userId":"u","event":"E","timestamp":"noon"}', Reason.INVALID_TIMESTAMP, "/timestamp"),
        (b'{"type":"track","userId":"u","event":"E","timestamp":[]}', Reason.INVALID_FIELD, "/timestamp"),
        (b'{"type":"track","userId":"u","event":"E","properties":{"x":NaN}}', Reason.INVALID_JSON, ""),
        (b'{"type":"track","userId":"u","event":"E","properties":{"x":Infinity}}', Reason.INVALID_JSON, ""),
        (b'{"type":"track","userId":"u","event":"\\ud800"}', Reason.INVALID_JSON, ""),
        (b'{"type":"track","userId":"u","event":"\xff"}', Reason.INVALID_UTF8, ""),
        (b'{"type":"track","userId":"u","event":"E\x01"}', Reason.INVALID_JSON, ""),
        (b'{"type":"track","userId":"u","event":"E","properties":{"x":1e999}}',
         Reason.NUMBER_OUT_OF_RANGE, "/properties"),
        (b'{"type":"track","userId":"u","event":"E","properties":{"a":{"b":["x\\u0000"]}}}',
         Reason.NUL_CHARACTER, "/properties/a/b/0"),
        (b'{"type":"track","userId":"u","event":"E\\u0000"}', Reason.NUL_CHARACTER, "/event"),
        (b'{"type":"track","userId":"u","event":"E","properties":{"a":' + b"[" * 40 + b"]" * 40 + b"}}",
         Reason.TOO_DEEP, "/properties/a/0/0"),
        (b'{"type":"track","userId":"u","event":"E","properties":{"a":' + b"[" * 15000 + b"]" * 15000 + b"}}",
         Reason.TOO_DEEP, ""),
        (b'{"type":"track","userId":"u","event":"E","properties":{"a":"' + b"x" * 33000 + b'"}}', Reason.TOO_LARGE, ""),
        (b'{"type":"track","userId":"u","event":"E","properties":{"13912345678":"\\u0000"}}',
         Reason.NUL_CHARACTER, "/properties/*"),
    ],
)  # fmt: skip
def test_one_bad_event_is_refused_with_a_reason_and_a_place_and_its_neighbours_are_read(
    event: bytes, reason: Reason, pointer: str
) -> None:
    assert refusal(raw_batch(event)) == (reason, pointer)
    good = json.dumps(GOOD).encode()
    items = parsed(b'{"writeKey":"k","batch":[' + good + b" , " + event + b"," + good + b'],"sentAt":"x"}').items
    assert [type(item) for item in items] == [Incoming, Refusal, Incoming]


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"null", b"[]", b"5", b'"x"', b"{", b"}", b'{"batch":', b'{"batch":[', b'{"batch":{}}',
        b'{"batch":null}',
        b"{}", b'{"batch":[]}x', b'{"batch":[}]', b"\xff\xfe", b"[" * 100000, b'{"batch":["]}',
        b'{"a":' * 50000, b'{"batch":[{]}]}', b'{"batch":[NaN]]}', b"batch=%5B%5D",
    ],
)  # fmt: skip
def test_a_body_that_is_no_batch_is_not_read(body: bytes) -> None:
    with pytest.raises(NotRead):
        parsed(body)


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b"{", b'{"event":NaN}', b"\x00", b"{}{}"])
def test_a_body_that_is_no_event_is_not_read_or_refused(body: bytes) -> None:
    try:
        (item,) = parse_one(body, "track", None, LIMITS).items
    except NotRead:
        return
    assert isinstance(item, Refusal)


def test_more_events_than_the_limit_are_too_many() -> None:
    with pytest.raises(TooMany):
        parsed(raw_batch(b",".join([b"{}"] * 2501)))
    assert len(parsed(raw_batch(b",".join([b"{}"] * 2500))).items) == 2500


def test_of_equal_keys_the_last_counts() -> None:
    assert only(b'{"userId":"a","userId":"b","event":"E"}').claims == [Claim("user_id", "b")]


def test_numbers_may_be_user_ids_and_message_ids() -> None:
    item = only(b'{"userId":42,"messageId":7,"event":"E"}')
    assert item.claims == [Claim("user_id", "42")]
    assert item.message_id == "7"


def test_a_byte_order_mark_is_no_part_of_the_json() -> None:
    assert only(b'\xef\xbb\xbf{"userId":"u","event":"E"}').event == "E"


def test_the_identity_of_an_event_is_its_message_id_on_every_try() -> None:
    first = only(b'{"userId":"u","event":"E","messageId":"m","sentAt":"2025-11-21T12:00:00Z"}')
    second = only(b'{"userId":"u","event":"E","messageId":"m","sentAt":"2025-11-21T12:00:09Z"}')
    assert first.identity == second.identity


def test_without_a_message_id_the_content_identifies_whatever_changes_between_tries() -> None:
    first = only(b'{"userId":"u","event":"E","sentAt":"2025-11-21T12:00:00Z","writeKey":"k","_metadata":{"n":1}}')
    again = only(b'{"event":"E","userId":"u","sentAt":"2025-11-21T12:00:09Z"}')
    other = only(b'{"event":"E","userId":"u","timestamp":"2025-11-21T12:00:00Z"}')
    assert first.identity == again.identity != other.identity


def test_a_message_id_and_an_equal_content_never_meet() -> None:
    content = only(b'{"event":"E","userId":"u"}').identity
    assert only(json.dumps({"event": "E", "userId": "u", "messageId": content.decode()}).encode()).identity != content


def test_a_refused_event_keeps_its_identity_if_it_has_one() -> None:
    (item,) = parsed(raw_batch(b'{"type":"track","messageId":"m","properties":7}')).items
    assert item.identity == b"mm"


@pytest.mark.parametrize(
    ("body", "elements"),
    [
        (b'{"batch":[NaN,{"a":[1,2]},"x,]\\"y"],"k":1}', [b"NaN", b'{"a":[1,2]}', b'"x,]\\"y"']),
        (b' {"k":{"batch":[0]},"batch" : [ ] } ', []),
        (b'{"batch":[{"a":1},]}', [b'{"a":1}']),
        (b'{"batch":[{"a":"\\\\"},{"b":"]"}]}', [b'{"a":"\\\\"}', b'{"b":"]"}']),
    ],
)
def test_the_events_of_a_broken_batch_are_found_by_their_brackets(body: bytes, elements: list[bytes]) -> None:
    found = salvage(body)
    assert found is not None
    assert found.elements == elements
