"""From an HTTP request to entries of the log."""

import gzip
from typing import Any

import httpx
import msgspec
import pytest

from libs.common.contracts.body import Money
from libs.common.contracts.vault import Identifier
from tests.integration.ingest.harness import NOON, House

TRACK = {
    "type": "track",
    "userId": "user-1",
    "event": "Viewed",
    "messageId": "m-1",
    "timestamp": "2025-11-21T11:59:00Z",
}
OK = {"success": True}


async def test_an_event_is_in_the_log_encrypted_when_the_answer_comes(house: House) -> None:
    source, key = await house.source()
    answer = await house.send(key, {**TRACK, "properties": {"revenue": 99.5, "sku": "s1"}})
    assert (answer.status_code, answer.json()) == (200, OK)
    ((event, body),) = await house.events()
    (batch,) = await house.batches()
    assert batch.sources == [source]
    assert (body.event, body.channel, body.money) == ("Viewed", "web", Money(9950, "CNY"))
    assert event.occurred_at == NOON - 60_000_000
    assert len(event.id) == 16
    assert b"Viewed" not in msgspec.msgpack.encode(batch)
    assert await house.tally() == {"received": 1, "accepted": 1, "rejected": 0, "duplicate": 0, "suppressed": 0}


async def test_the_same_event_sent_again_has_the_same_id_and_another_source_gives_another(house: House) -> None:
    _, key = await house.source()
    _, other = await house.source("other")
    for one in (key, key, other):
        await house.send(one, TRACK, sentAt="2025-11-21T12:00:00Z")
    first, second, third = [event.id for event, _ in await house.events()]
    assert first == second != third


async def test_one_bad_event_does_not_fail_its_batch(house: House) -> None:
    _, key = await house.source()
    answer = await house.send(
        key, TRACK, {"type": "dance"}, {**TRACK, "userId": "unknown"}, {**TRACK, "messageId": "m-2"}
    )
    assert (answer.status_code, answer.json()) == (200, OK)
    assert len(await house.events()) == 2
    assert [(reject.reason, reject.pointer) for reject in await house.rejects()] == [
        ("unknown_type", "/type"),
        ("no_identifier", ""),
    ]
    assert await house.tally() == {"received": 4, "accepted": 2, "rejected": 2, "duplicate": 0, "suppressed": 0}


async def test_a_refused_event_is_kept_sealed_and_can_be_opened_with_the_days_key(house: House) -> None:
    _, key = await house.source()
    await house.send(key, {"type": "dance", "secret": "13912345678"})
    (batch,) = await house.batches()
    assert b"13912345678" not in msgspec.msgpack.encode(batch)
    (reject,) = batch.rejects
    assert reject.day == "2025-11-21"
    assert msgspec.json.decode(await house.opened_reject(reject)) == {"type": "dance", "secret": "13912345678"}


async def test_an_oversize_event_is_refused_alone_and_kept_in_part(house: House) -> None:
    _, key = await house.source()
    large = {**TRACK, "properties": {"x": "y" * 100_000}}
    assert (await house.send(key, TRACK, large)).status_code == 200
    (reject,) = await house.rejects()
    assert reject.reason == "too_large"
    assert len(await house.opened_reject(reject)) == 32 * 1024
    assert len(await house.events()) == 1


@pytest.mark.parametrize("kind", ["track", "identify", "page", "screen", "group", "alias"])
@pytest.mark.parametrize("short", [False, True])
async def test_each_call_has_its_door_and_the_browsers_short_one(house: House, kind: str, short: bool) -> None:
    _, key = await house.source()
    body = {"userId": "user-1", "event": "E", "groupId": "g", "previousId": "a", "writeKey": key}
    answer = await house.client.post(f"/v1/{kind[0] if short else kind}", json=body)
    assert (answer.status_code, answer.json()) == (200, OK)
    ((_, opened),) = await house.events()
    assert opened.type == kind


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/import", "/v1/b"])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", None])
async def test_the_content_decides_not_the_content_type(house: House, path: str, content_type: str | None) -> None:
    _, key = await house.source()
    headers = {"content-type": content_type} if content_type else {}
    body = gzip.compress(msgspec.json.encode({"batch": [TRACK], "writeKey": key}))
    answer = await house.client.post(path, content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert len(await house.events()) == 1


async def test_the_write_key_may_be_in_the_header_the_body_or_the_event(house: House) -> None:
    _, key = await house.source()
    assert (await house.send(key, TRACK)).status_code == 200
    for body in ({"batch": [TRACK], "writeKey": key}, {"batch": [{**TRACK, "writeKey": key}]}):
        assert (await house.client.post("/v1/batch", json=body)).status_code == 200
    assert len(await house.events()) == 3


@pytest.mark.parametrize("header", ["Basic d3JvbmcAOg==", "Basic %%%", "Basic", "Bearer x", "Basic /w==", ""])
async def test_without_a_known_write_key_nothing_is_taken(house: House, header: str) -> None:
    answer = await house.client.post("/v1/batch", json={"batch": [TRACK]}, headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert await house.batches() == []


async def test_a_body_that_is_not_json_is_answered_400_and_kept_when_the_key_is_in_the_header(house: House) -> None:
    _, key = await house.source()
    for auth in (httpx.Auth(), httpx.BasicAuth(key, "")):
        answer = await house.client.post("/v1/batch", content=b'{"batch": [', auth=auth)
        assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")
    (reject,) = await house.rejects()
    assert reject.reason == "invalid_json"
    assert await house.opened_reject(reject) == b'{"batch": ['


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b" " * 600_000, 413),
        (gzip.compress(b" " * 50_000_000), 413),
        (gzip.compress(b"{}")[:-9], 400),
        (b"\x1f\x8bnonsense", 400),
        (gzip.compress(b"") * 100, 400),
        (b'{"batch":[' + b",".join([b"{}"] * 2501) + b"]}", 413),
    ],
    ids=["large", "bomb", "cut off", "no gzip", "many members", "too many events"],
)
async def test_a_body_beyond_the_limits_is_not_taken(house: House, body: bytes, status: int) -> None:
    _, key = await house.source()
    answer = await house.client.post("/v1/batch", content=body, auth=httpx.BasicAuth(key, ""))
    assert answer.status_code == status, answer.text
    assert await house.events() == []


async def test_a_full_batch_of_the_sdks_is_within_the_limits(house: House) -> None:
    _, key = await house.source()
    events = [{**TRACK, "messageId": f"m-{i}", "properties": {"x": "y" * 1500}} for i in range(310)]
    assert (await house.send(key, *events)).status_code == 200
    assert [body.message_id for _, body in await house.events()] == [f"m-{i}" for i in range(310)]


async def test_2500_events_become_entries_of_at_most_500_in_order(house: House) -> None:
    _, key = await house.source()
    events = [{"type": "track", "userId": "u", "event": "E", "messageId": f"m-{i}"} for i in range(2500)]
    assert (await house.send(key, *events)).status_code == 200
    batches = await house.batches()
    assert all(len(batch.events) <= 500 for batch in batches)
    assert [body.message_id for _, body in await house.events()] == [f"m-{i}" for i in range(2500)]


async def test_the_senders_clock_is_corrected(house: House) -> None:
    _, key = await house.source()
    ahead = {**TRACK, "timestamp": "2031-01-01T00:00:00Z"}
    await house.send(key, ahead, sentAt="2031-01-01T00:05:00Z")
    ((event, _),) = await house.events()
    assert event.occurred_at == NOON - 300_000_000


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"userId": "u", "anonymousId": "a"}, [("user_id", "u"), ("anonymous_id", "a")]),
        ({"userId": None, "anonymousId": "a"}, [("anonymous_id", "a")]),
        ({"userId": 42}, [("user_id", "42")]),
        ({"type": "alias", "userId": "u", "previousId": "p"}, [("user_id", "u"), ("anonymous_id", "p")]),
        ({"type": "identify", "userId": "u", "traits": {"email": "A@X.cn", "phone": "139 1234 5678"}},
         [("user_id", "u"), ("phone", "+8613912345678"), ("email", "a@x.cn")]),
        ({"anonymousId": "a", "context": {"traits": {"phone": "13912345678"}}},
         [("phone", "+8613912345678"), ("anonymous_id", "a")]),
        ({"context": {"device": {"id": "D1"}}}, [("device_id", "D1")]),
        ({"properties": {"openid": "o-1"}}, [("wechat_openid", "o-1")]),
    ],
)  # fmt: skip
async def test_an_event_is_bound_to_the_people_it_names(
    house: House, event: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    _, key = await house.source()
    await house.send(key, {"type": "track", "event": "E", **event})
    assert await house.identifiers() == [[Identifier(*pair) for pair in expected]]


async def test_no_identifier_of_an_event_stands_in_its_body(house: House) -> None:
    _, key = await house.source()
    await house.send(
        key,
        {
            "type": "identify",
            "userId": "li-lei-42",
            "anonymousId": "0f5e-anon",
            "messageId": "m-li-lei-42",
            "traits": {"email": "li.lei@example.com", "phone": "13912345678", "name": "李雷", "plan": "gold"},
            "properties": {"url": "https://x.cn/?e=li.lei%40example.com", "mobile_no": 13912345678},
            "context": {
                "page": {"path": "/u/li-lei-42", "title": "0F5E-ANON"},
                "traits": {"name": "li.lei@example.com"},
            },
        },
    )
    ((_, body),) = await house.events()
    text = str(body).lower()
    for value in ("li-lei-42", "0f5e-anon", "li.lei", "13912345678"):
        assert value not in text
    assert body.traits == {"plan": "gold"}
    assert body.personal == {"name": "李雷"}


async def test_one_question_to_the_vault_serves_a_whole_batch(house: House) -> None:
    _, key = await house.source()
    await house.send(key, *[{**TRACK, "messageId": f"m{i}", "userId": f"u{i % 3}"} for i in range(30)])
    assert [len(sets) for sets in house.vault.asked] == [3]


async def test_events_from_before_an_erasure_are_counted_as_suppressed_and_later_ones_are_stored(house: House) -> None:
    _, key = await house.source()
    house.vault.suppressed_until[Identifier("user_id", "user-1")] = NOON - 60_000_000
    later = {**TRACK, "messageId": "m-2", "timestamp": "2025-11-21T11:59:01Z"}
    assert (await house.send(key, TRACK, later, sentAt="2025-11-21T12:00:00Z")).status_code == 200
    assert [body.message_id for _, body in await house.events()] == ["m-2"]
    assert await house.tally() == {"received": 2, "accepted": 1, "rejected": 0, "duplicate": 0, "suppressed": 1}


async def test_an_empty_batch_is_answered_and_not_written(house: House) -> None:
    _, key = await house.source()
    assert (await house.send(key)).json() == OK
    assert await house.batches() == []


async def test_the_browser_gets_its_settings_and_its_numbers_are_not_kept(house: House) -> None:
    _, key = await house.source()
    settings = await house.client.get(f"/v1/projects/{key}/settings", headers={"Origin": "https://shop.cn"})
    assert settings.json()["integrations"]["Segment.io"]["apiHost"] == "door/v1"
    assert settings.headers["access-control-allow-origin"] == "https://shop.cn"
    assert (await house.client.get("/v1/projects/nobody/settings")).status_code == 401
    assert (await house.client.post("/v1/m", json={"series": []})).json() == OK
    assert await house.batches() == []


@pytest.mark.parametrize("path", ["/v1/t", "/v1/batch", "/v1/projects/k/settings", "/v1/m"])
async def test_any_page_may_send_with_authorization(house: House, path: str) -> None:
    answer = await house.client.options(
        path,
        headers={
            "Origin": "https://shop.cn",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization, anonymousid",
        },
    )
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://shop.cn"
    assert {"authorization", "content-type", "anonymousid"} <= set(
        answer.headers["access-control-allow-headers"].split(", ")
    )


async def test_an_error_too_may_be_read_by_the_page(house: House) -> None:
    answer = await house.client.post("/v1/t", json={}, headers={"Origin": "https://shop.cn"})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "https://shop.cn"
