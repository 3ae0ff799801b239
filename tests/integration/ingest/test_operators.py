"""Sources, quarantine, accounting and tail: what an operator of a channel sees."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import func, select

from libs.common.contracts.events import EVENTS, Erasure, SourceCreated
from services.ingest.tables import accounting, quarantine, sources
from tests.integration.ingest.harness import NOON, STREAM, House, open_house, sha
from tests.postgres import Database

TRACK = {"type": "track", "userId": "user-1", "event": "Viewed"}
BAD = {"type": "dance"}


async def test_a_write_key_is_shown_once_and_only_its_hash_is_kept(house: House) -> None:
    source, key = await house.source("shop", "store")
    assert len(bytes.fromhex(key.removeprefix("wk_"))) >= 16
    async with house.log.read(STREAM, 0) as reader:
        (stored,) = await reader.next(max_entries=1, max_bytes=2**20, wait=1)
    assert EVENTS.decode(stored.data) == SourceCreated("default", NOON, source, "shop", "store", sha(key))
    listed = (await house.client.get("/v1/sources", headers=house.admin)).json()["sources"]
    assert listed == [
        {
            "source": source,
            "name": "shop",
            "channel": "store",
            "created_at": "2025-11-21T12:00:00.000000Z",
            "deleted_at": None,
        }
    ]


async def test_a_new_source_may_push_as_soon_as_it_is_answered(house: House) -> None:
    unknown = await house.send("wk_unknown", TRACK)
    _, key = await house.source()
    assert unknown.status_code == 401
    assert (await house.send(key, TRACK)).status_code == 200


async def test_a_deleted_source_may_push_no_more_and_what_it_sent_stays(house: House) -> None:
    source, key = await house.source()
    await house.send(key, TRACK)
    for _ in range(2):
        assert (await house.client.delete(f"/v1/sources/{source}", headers=house.admin)).status_code == 204
    assert (await house.send(key, TRACK)).status_code == 401
    assert len(await house.events()) == 1
    listed = (await house.client.get("/v1/sources", headers=house.admin)).json()["sources"]
    assert listed[0]["deleted_at"] is not None


async def test_a_key_that_was_deleted_elsewhere_stops_working_when_the_cache_ends(house: House) -> None:
    _, key = await house.source()
    await house.send(key, TRACK)
    async with house.ingest.engine.begin() as connection:
        await connection.execute(sources.update().values(deleted_at=NOON))
    assert (await house.send(key, TRACK)).status_code == 200
    house.clock.at += 5_000_000
    assert (await house.send(key, TRACK)).status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/sources"), ("POST", "/v1/sources"), ("DELETE", "/v1/sources/x"), ("GET", "/v1/quarantine"),
     ("GET", "/v1/accounting"), ("GET", "/v1/sources/x/tail")],
)  # fmt: skip
async def test_operators_need_a_token_and_a_write_key_is_none(house: House, method: str, path: str) -> None:
    _, key = await house.source()
    body = {"name": "x", "channel": "web"}
    for headers in ({}, {"Authorization": f"Bearer {key}"}):
        assert (await house.client.request(method, path, json=body, headers=headers)).status_code == 401


@pytest.mark.parametrize(("scopes", "workspace"), [(["profiles:read"], "default"), (["ingest:admin"], "other")])
async def test_a_token_without_the_scope_or_for_another_workspace_is_forbidden(
    house: House, scopes: list[str], workspace: str
) -> None:
    headers = {"Authorization": f"Bearer {house.token_for(scopes, workspace)}"}
    for path in ("/v1/sources", "/v1/quarantine", "/v1/accounting", "/v1/sources/x/tail"):
        assert (await house.client.get(path, headers=headers)).status_code == 403


@pytest.mark.parametrize(
    "body",
    [{}, {"name": "", "channel": "web"}, {"name": "x", "channel": "smoke"}, {"name": "a\x00b", "channel": "web"},
     {"name": "x", "channel": "web", "key": "mine"}],
)  # fmt: skip
async def test_a_source_needs_a_name_and_a_known_channel(house: House, body: dict[str, Any]) -> None:
    assert (await house.client.post("/v1/sources", json=body, headers=house.admin)).status_code == 422


async def test_a_name_that_two_sources_have_must_be_said_as_an_id(house: House) -> None:
    first, _ = await house.source("shop")
    second, _ = await house.source("shop")
    ambiguous = await house.client.get("/v1/quarantine?source=shop", headers=house.admin)
    assert ambiguous.status_code == 409
    assert first in ambiguous.json()["detail"]
    assert (await house.client.get(f"/v1/quarantine?source={second}", headers=house.admin)).status_code == 200
    assert (await house.client.get("/v1/quarantine?source=other", headers=house.admin)).status_code == 404


@pytest.mark.parametrize("path", ["quarantine?source=%00", "accounting?source=%00", "sources/%00/tail"])
async def test_a_text_that_the_database_cannot_hold_is_a_bad_request(house: House, path: str) -> None:
    answer = await house.client.get(f"/v1/{path}", headers=house.admin)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_quarantine_lists_reasons_and_places_newest_first_in_pages(house: House) -> None:
    source, key = await house.source()
    await house.send(key, BAD, {**TRACK, "userId": "unknown"}, {**TRACK, "timestamp": "noon"})
    await house.caught_up()
    listed: list[dict[str, Any]] = []
    before: str | None = None
    for _ in range(3):
        query = {"source": source, "limit": "2", **({"before": before} if before else {})}
        page = (await house.client.get("/v1/quarantine", params=query, headers=house.admin)).json()
        listed += page["rejects"]
        before = page["next"]
        if before is None:
            break
    assert [(one["reason"], one["pointer"]) for one in listed] == [
        ("invalid_timestamp", "/timestamp"),
        ("no_identifier", ""),
        ("unknown_type", "/type"),
    ]
    assert "sealed" not in listed[0]


@pytest.mark.parametrize("query", ["before=x", "before=1-2", "limit=0", "limit=9999"])
async def test_a_damaged_page_is_refused(house: House, query: str) -> None:
    assert (await house.client.get(f"/v1/quarantine?{query}", headers=house.admin)).status_code in (400, 422)


async def test_accounting_balances_per_source_and_hour(house: House) -> None:
    first, key = await house.source("first")
    second, other = await house.source("second")
    await house.send(key, TRACK, BAD, TRACK)
    house.clock.at += 3_600_000_000
    await house.send(key, TRACK)
    await house.send(other, BAD)
    await house.caught_up()
    answer = (await house.client.get("/v1/accounting?by_hour=true", headers=house.admin)).json()
    zero = {"duplicate": 0, "suppressed": 0}
    assert {row["source"]: row for row in answer["totals"]} == {
        first: {"source": first, "hour": None, "received": 4, "accepted": 3, "rejected": 1, **zero},
        second: {"source": second, "hour": None, "received": 1, "accepted": 0, "rejected": 1, **zero},
    }
    hours = [(row["hour"][11:16], row["received"]) for row in answer["hours"] if row["source"] == first]
    assert hours == [("12:00", 3), ("13:00", 1)]
    assert answer["position"] == await house.log.end(STREAM)
    later = (await house.client.get("/v1/accounting?since=2025-11-21T13:30:00Z", headers=house.admin)).json()
    assert {row["source"]: row["received"] for row in later["totals"]} == {first: 1, second: 1}


async def test_entries_that_are_not_ingests_pass_by(house: House) -> None:
    _, key = await house.source()
    await house.log.append(STREAM, EVENTS.encode(Erasure("default", NOON, "r", [])))
    await house.send(key, TRACK)
    await house.caught_up()
    assert (await house.client.get("/v1/accounting", headers=house.admin)).json()["totals"][0]["accepted"] == 1


async def test_the_same_log_gives_the_same_rows_however_it_is_cut(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = await house.source()
    for _ in range(5):
        await house.send(key, TRACK, BAD)
    await house.stop_following()
    await house.caught_up()
    tables = (sources, accounting, quarantine)

    async def rows() -> list[Any]:
        async with house.ingest.engine.connect() as connection:
            return [sorted(map(tuple, await connection.execute(select(table)))) for table in tables]

    before = await rows()
    async with house.ingest.engine.begin() as connection:
        for table in (*tables, *[found for found in sources.metadata.tables.values() if found.name == "positions"]):
            await connection.execute(table.delete())
    monkeypatch.setattr("libs.common.projection.BATCH_ENTRIES", 2)
    await house.caught_up()
    assert await rows() == before


async def test_a_refusal_for_each_time_it_was_refused(house: House) -> None:
    _, key = await house.source()
    for _ in range(2):
        await house.send(key, BAD)
    await house.caught_up()
    async with house.ingest.engine.connect() as connection:
        count = (await connection.execute(select(func.count()).select_from(quarantine))).scalar_one()
    assert count == (await house.tally())["rejected"] == 2


async def tailed(house: House, source: str, wanted: int, connected: asyncio.Event) -> list[dict[str, Any]]:
    """The first lines of a tail, read over a real socket's worth of ASGI messages."""
    lines: list[dict[str, Any]] = []
    scope = _scope(house, f"/v1/sources/{source}/tail")
    done = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        for line in message.get("body", b"").splitlines():
            connected.set()
            if line:
                lines.append(msgspec.json.decode(line))
        if len(lines) >= wanted:
            done.set()

    transport = house.client._transport
    assert isinstance(transport, httpx.ASGITransport)
    await transport.app(scope, receive, send)
    return lines


def _scope(house: House, path: str) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "headers": [(b"authorization", house.admin["Authorization"].encode())],
        "client": ("test", 1),
        "server": ("door", 80),
    }


async def test_a_tail_shows_what_arrives_from_now_on_without_anything_personal(
    database: Database, tmp_path: Path
) -> None:
    async with open_house(await database("ingest"), tmp_path, ingest_window_ms=300) as house:
        await _tail_beside_another_source(house)


async def _tail_beside_another_source(house: House) -> None:
    _, key = await house.source("shop")
    _, other = await house.source("other")
    await house.send(key, {**TRACK, "event": "Before"})
    connected = asyncio.Event()
    tail = asyncio.create_task(tailed(house, "shop", 2, connected))
    await asyncio.wait_for(connected.wait(), 5)
    await asyncio.gather(
        house.send(other, {**TRACK, "event": "Elsewhere"}, BAD),
        house.send(key, {**TRACK, "traits": {"email": "li.lei@example.com"}}, BAD),
    )
    accepted, rejected = await asyncio.wait_for(tail, 5)
    assert len((await house.batches())[-1].sources) == 2, "both sources are in one entry, only one is shown"
    assert accepted == {
        "time": "2025-11-21T12:00:00.000000Z",
        "outcome": "accepted",
        "type": "track",
        "event": "Viewed",
        "identifiers": ["user_id", "email"],
    }
    assert (rejected["outcome"], rejected["reason"], rejected["pointer"]) == ("rejected", "unknown_type", "/type")
    assert "li.lei" not in str([accepted, rejected])


async def test_a_tail_of_no_source_is_not_found(house: House) -> None:
    assert (await house.client.get("/v1/sources/nobody/tail", headers=house.admin)).status_code == 404
