"""No input crashes the front door, is answered 5xx, or stops its neighbours; none is lost without a trace."""

import json
import time
from contextlib import suppress
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.contracts.body import decode_body
from services.ingest.doors.segment import Limits, parse_batch, parse_one
from services.ingest.incoming import Incoming, NotRead, TooMany
from services.ingest.normalise import normalise
from services.ingest.refusals import Reason, Refused
from tests.integration.ingest.harness import House
from tests.properties.ingest import hostile

LIMITS = Limits()
GOOD = b'{"type":"track","userId":"good","event":"E","messageId":"good"}'
FAST = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def outcome(raw: bytes) -> str:
    """What becomes of a body: read and normalised, or refused with a known reason; nothing else is possible."""
    try:
        items = parse_batch(raw, None, LIMITS).items
    except (NotRead, TooMany):
        return "not read"
    for item in items:
        if not isinstance(item, Incoming):
            assert isinstance(item.why.reason, Reason)
            continue
        try:
            normal = normalise(item, "web")
        except Refused:
            continue  # `refusals` looks into it
        else:
            assert normal.identifiers
            assert decode_body(normal.body).type == item.type
    return f"{len(items)} read"


def test_each_hostile_value_in_each_place_leaves_its_neighbours_alone() -> None:
    started = time.perf_counter()
    all_events = hostile.events()
    unbalanced = 0
    for event in all_events:
        found = outcome(b'{"batch":[' + GOOD + b"," + event + b"," + GOOD + b"]}")
        # A value that opens brackets or quotes and never closes them has swallowed the rest of the body.
        unbalanced += found != "3 read"
    assert len(all_events) > 3_500
    assert unbalanced <= 2 * len(hostile.FIELDS + hostile.NESTED)
    assert time.perf_counter() - started < 60


def test_no_refusal_says_a_value_in_clear() -> None:
    secrets = (b"13912345678", b"li.lei@example.com", b"110101199003070000")
    for secret in secrets:
        for place in (*hostile.NESTED, *(b'"%s":%%s' % name for name in hostile.FIELDS)):
            for value in (
                b'"%s\\u0000"' % secret,
                b'{"%s":NaN}' % secret,
                b'{"%s":{"x":"\\u0000"}}' % secret,
                b"[%s]" % secret,
            ):
                body = b'{"batch":[{"type":"identify",' + place.replace(b"%s", value) + b"}]}"
                for why in refusals(body):
                    assert secret.decode() not in f"{why.pointer} {why.detail}"


def refusals(body: bytes) -> list[Refused]:
    """The refusals of a body's events."""
    found = []
    try:
        items = parse_batch(body, None, LIMITS).items
    except NotRead as error:
        return [error.why]
    for item in items:
        if not isinstance(item, Incoming):
            found.append(item.why)
            continue
        try:
            normalise(item, "web")
        except Refused as why:
            found.append(why)
    return found


@FAST
@given(st.binary(max_size=2_000))
def test_random_bytes_are_read_or_refused(body: bytes) -> None:
    outcome(body)
    for kind in ("track", "identify"):
        with suppress(NotRead):
            parse_one(body, kind, None, LIMITS)


@FAST
@given(st.data())
def test_a_batch_with_flipped_bytes_is_read_or_refused(data: st.DataObject) -> None:
    body = bytearray(b'{"writeKey":"k","batch":[' + GOOD + b"," + GOOD + b'],"sentAt":"2025-11-21T12:00:00Z"}')
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), min_size=1, max_size=8)):
        body[place] = data.draw(st.integers(0, 255))
    outcome(bytes(body))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
FIELD = st.sampled_from([name.decode() for name in hostile.FIELDS])
EVENT = st.dictionaries(FIELD, JSON, max_size=10) | st.fixed_dictionaries(
    {"type": st.sampled_from(["track", "identify", "page", "group"]), "userId": st.text(), "event": st.text()},
    optional={
        "properties": st.dictionaries(st.sampled_from(["revenue", "url", "phone", "x", "price"]), JSON),
        "traits": st.dictionaries(st.sampled_from(["email", "phone", "name", "手机号", "x"]), JSON),
        "context": st.dictionaries(
            st.sampled_from(["page", "campaign", "device", "externalIds", "traits", "userAgent", "os", "library"]), JSON
        ),
        "timestamp": JSON,
        "sentAt": JSON,
    },
)


@FAST
@given(st.lists(EVENT, max_size=4))
def test_any_json_is_read_or_refused_event_by_event(events: list[Any]) -> None:
    assert outcome(json.dumps({"batch": events}).encode()) in (f"{len(events)} read", "not read")


@pytest.mark.parametrize("number", range(len(hostile.BODIES)))
async def test_each_hostile_body_is_answered_quickly_and_the_door_stays_open(house: House, number: int) -> None:
    body = hostile.BODIES[number]
    _, key = await house.source()
    started = time.perf_counter()
    for path in ("/v1/batch", "/v1/t"):
        answer = await house.client.post(path, content=body, auth=httpx.BasicAuth(key, ""))
        assert answer.status_code in (200, 400, 413), answer.text
    assert time.perf_counter() - started < 2
    assert (await house.send(key, msgspec.json.decode(GOOD))).status_code == 200
    tally = await house.tally()
    assert tally["received"] == tally["accepted"] + tally["rejected"]
    assert tally["accepted"] >= 1
