"""When the vault, the log or the database is away: nothing is acknowledged, and it goes on by itself."""

import asyncio

import httpx
import pytest
from structlog.testing import capture_logs

from libs.common.clock import SystemClock
from libs.common.contracts.events import EVENTS, MAX_ENTRY_BYTES
from libs.common.errors import Unavailable
from services.ingest.commit import Bounds, Committer
from services.ingest.entries import Suppressed
from services.ingest.refusals import Reason
from tests.integration.ingest.harness import STREAM, FlakyLog, House

TRACK = {"type": "track", "userId": "user-1", "event": "Viewed", "messageId": "m"}


async def test_without_the_vault_nothing_is_taken_not_even_a_refusal(house: House) -> None:
    _, key = await house.source()
    house.vault.away = True
    for event in (TRACK, {"type": "dance"}):
        answer = await house.send(key, event)
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) >= 1
    assert await house.batches() == []
    house.vault.away = False
    assert (await house.send(key, TRACK)).status_code == 200


async def test_without_the_log_everyone_who_waits_is_told_and_it_goes_on_by_itself(house: House) -> None:
    _, key = await house.source()
    house.log.away = True
    answers = await asyncio.gather(*(house.send(key, TRACK) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {503}
    assert all(answer.headers["retry-after"] for answer in answers)
    house.log.away = False
    assert (await house.send(key, TRACK)).status_code == 200
    assert len(await house.events()) == 1


async def test_a_lost_acknowledgement_is_asked_for_again_and_stores_nothing_twice(house: House) -> None:
    _, key = await house.source()
    house.log.lose_answers = 2
    house.log.sent.clear()
    assert (await house.send(key, TRACK)).status_code == 200
    assert len(await house.events()) == 1
    assert len(house.log.sent) == 3
    assert len(set(house.log.sent)) == 1


async def test_without_the_database_keys_cannot_be_checked_and_nothing_is_taken(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = await house.source()

    async def away(*_: object) -> None:
        raise OSError("connection refused")

    monkeypatch.setattr("services.ingest.store.live_source", away)
    assert (await house.send(key, TRACK)).status_code == 503
    monkeypatch.undo()
    assert (await house.send(key, TRACK)).status_code == 200


async def test_what_nobody_foresaw_is_a_500_that_says_nothing_and_stores_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = await house.source()
    monkeypatch.setattr("services.ingest.pipeline.normalise", lambda *_: int("13912345678x"))
    with capture_logs() as logged:
        answer = await house.send(key, TRACK)
    assert answer.status_code == 500
    assert logged[0]["error"].startswith("ValueError at test_failures.py")
    assert "13912345678" not in f"{answer.text} {logged}"
    assert await house.batches() == []


async def test_concurrent_requests_share_entries_and_each_keeps_its_order(house: House) -> None:
    _, key = await house.source()

    def events(request: int) -> list[dict[str, object]]:
        return [{**TRACK, "userId": f"u{request}", "messageId": f"{request}-{i}"} for i in range(20)]

    answers = await asyncio.gather(*(house.send(key, *events(request)) for request in range(40)))
    assert {answer.status_code for answer in answers} == {200}
    stored = [body.message_id for _, body in await house.events()]
    assert len(stored) == 800
    for request in range(40):
        own = [int(name.split("-")[1]) for name in stored if name.startswith(f"{request}-")]
        assert own == list(range(20))
    assert len(await house.batches()) < 20


async def test_entries_stay_within_their_size(house: House) -> None:
    _, key = await house.source()
    events = [{**TRACK, "messageId": f"m{i}", "properties": {"x": "y" * 30_000}} for i in range(16)]
    answers = await asyncio.gather(*(house.send(key, *events) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(await house.events()) == 80
    sizes = [len(EVENTS.encode(batch)) for batch in await house.batches()]
    assert max(sizes) <= MAX_ENTRY_BYTES
    assert min(sizes[:-1]) > MAX_ENTRY_BYTES // 2


async def test_a_full_queue_refuses_instead_of_growing() -> None:
    log = FlakyLog()
    log.away = True
    committer = Committer(log, STREAM, "default", "intl-v1", SystemClock(), Bounds(events=10, append=0.3))
    running = asyncio.create_task(committer.run())
    waiting = [asyncio.create_task(committer.submit("s", [Suppressed(0)] * 5)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="full"):
        await committer.submit("s", [Suppressed(0)])
    assert {type(error) for error in await asyncio.gather(*waiting, return_exceptions=True)} == {Unavailable}
    log.away = False
    await committer.submit("s", [Suppressed(0)] * 10)
    running.cancel()
    await asyncio.wait([running])


async def test_whoever_waits_when_the_process_stops_is_told() -> None:
    log = FlakyLog()
    log.away = True
    committer = Committer(log, STREAM, "default", "intl-v1", SystemClock())
    running = asyncio.create_task(committer.run())
    waiting = asyncio.create_task(committer.submit("s", [Suppressed(0)]))
    await asyncio.wait_for(log.tried.wait(), 5)
    behind = asyncio.create_task(committer.submit("s", [Suppressed(0)]))
    await asyncio.sleep(0)
    running.cancel()
    results = await asyncio.gather(waiting, behind, return_exceptions=True)
    assert [type(result) for result in results] == [Unavailable, Unavailable]
    with pytest.raises(Unavailable):
        await committer.submit("s", [Suppressed(0)])


async def test_too_many_bytes_at_once_are_asked_to_come_again(house: House) -> None:
    _, key = await house.source()
    house.ingest.room._free = 100
    body = b'{"batch":[]}' + b" " * 200
    assert (await house.client.post("/v1/batch", content=body, auth=httpx.BasicAuth(key, ""))).status_code == 503
    assert house.ingest.room._free == 100


def test_every_reason_is_a_stable_code() -> None:
    assert all(reason.value == reason.name.lower() for reason in Reason)
