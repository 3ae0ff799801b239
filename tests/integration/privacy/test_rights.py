"""Decisions with both of privacy's processes running, over HTTP in and over NATS out."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from libs.common.contracts.events import Consents
from libs.common.errors import Unavailable
from libs.common.eventlog.base import events_stream
from libs.common.standing_client import StandingClient
from services.privacy import worker
from tests.integration.privacy.test_privacy_app import CARD, PHONE, Privacy, privacy, running, until_ready

__all__ = ["privacy"]
HEADER = "kind,value,purpose,decision,decided_at,method,notice\n"
WHO = {"identifiers": [{"kind": "phone", "value": "139 1234 5678"}]}


@pytest.fixture
async def rights(privacy: Privacy) -> AsyncIterator[Privacy]:
    async with running(worker.create()) as http:
        await until_ready(http)
        yield privacy


async def post(privacy: Privacy, path: str, body: Any, scope: str = "privacy:write") -> httpx.Response:
    return await privacy.http.post(f"/v1{path}", json=body, headers=privacy.token(scope))


async def upload(privacy: Privacy, text: bytes) -> Any:
    headers = {**privacy.token("privacy:write"), "Content-Type": "text/csv; charset=gbk"}
    answer = await privacy.http.post("/v1/consents:import", content=text, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def marketing(privacy: Privacy) -> Any:
    told = await post(privacy, "/consents:lookup", WHO, "privacy:read")
    assert told.status_code == 200, told.text
    return told.json()["purposes"]["marketing"]


async def test_a_consent_may_come_before_the_first_event_and_is_in_force_when_it_is_answered(rights: Privacy) -> None:
    client = StandingClient(rights.nats, "default")
    assert (await post(rights, "/consents:lookup", WHO, "privacy:read")).status_code == 404
    granted = await post(rights, "/consents/grant", {**WHO, "purpose": "marketing", "method": "paper", "notice": "v1"})
    assert (granted.status_code, granted.json()["outcomes"]) == (200, ["recorded"])
    (pseudonym,) = await rights.client.find([PHONE])
    assert pseudonym is not None
    for number in range(20):
        path = "/consents/withdraw" if number % 2 == 0 else "/consents/grant"
        answer = await post(rights, path, {**WHO, "purpose": "marketing"})
        assert answer.status_code == 200, answer.text
        (standing,) = await client.standings([[pseudonym, b"?" * 16]])
        assert standing.consents == {"marketing": number % 2 == 1}
    known = await marketing(rights)
    assert (known["allowed"], known["decisions"][0]["kind"]) == (True, "phone")


async def test_one_withdrawal_denies_whoever_else_granted(rights: Privacy) -> None:
    held = [each.pseudonyms[0] for each in await rights.client.bind([[PHONE], [CARD]])]
    card = {"identifiers": [{"kind": "member_card", "value": "M-1"}]}
    await post(rights, "/consents/withdraw", {**WHO, "purpose": "marketing"})
    await post(rights, "/consents/grant", {**card, "purpose": "marketing"})
    (together, alone) = await StandingClient(rights.nats, "default").standings([held, held[1:]])
    assert (together.consents, alone.consents) == ({"marketing": False}, {"marketing": True})


async def test_without_the_worker_nothing_is_acknowledged_as_in_force(privacy: Privacy) -> None:
    recorder = privacy.http._transport.app.state.resources.recorder  # type: ignore[attr-defined]
    object.__setattr__(recorder, "seconds", 0.2)
    answer = await post(privacy, "/consents/withdraw", {**WHO, "purpose": "marketing"})
    assert answer.status_code == 503
    assert "it is in the log at 0:1" in answer.json()["detail"]


async def test_who_gets_no_answer_gets_no_yes(rights: Privacy) -> None:
    client = StandingClient(rights.nats, "default", timeout=1)
    assert [each.consents for each in await client.standings([[b"?" * 16], []])] == [{}, {}]
    resources = rights.http._transport.app.state.resources  # type: ignore[attr-defined]
    await resources.recorder.pool.close()
    with pytest.raises(Unavailable, match="does not say who may be processed"):
        await client.standings([[b"?" * 16]])


async def test_an_import_takes_good_rows_names_bad_ones_and_never_undoes_a_later_decision(rights: Privacy) -> None:
    await post(rights, "/consents/withdraw", {**WHO, "purpose": "marketing"})
    rows = [
        "phone,13912345678,marketing,同意,2024-01-31,门店,v1",
        "phone,13900000002,marketing,同意,2024-01-31,门店,v1",
        "phone,not-a-phone,marketing,同意,2024-01-31,门店,v1",
        "phone,13900000002,analytics,拒绝,2024-02-01,门店,v1",
        "phone,13900000002,analytics,同意,2024-01-01,门店,v1",
    ]
    text = (HEADER + "\n".join(rows)).encode("gb18030")
    done = await upload(rights, text)
    assert (done["rows"], done["recorded"], done["failed"]) == (5, 3, 2)
    assert [each["row"] for each in done["errors"]] == [2, 4]
    assert done["errors"][0]["reason"] == "superseded"
    assert "not-a-phone" not in str(done)
    assert not (await marketing(rights))["allowed"]
    again = await upload(rights, text)
    assert (again["recorded"], again["unchanged"], again["position"]) == (0, 2, None)
    other = {"identifiers": [{"kind": "phone", "value": "13900000002"}]}
    told = (await post(rights, "/consents:lookup", other, "privacy:read")).json()["purposes"]
    assert (told["marketing"]["allowed"], told["analytics"]["reason"]) == (True, "consent_withdrawn")


async def test_a_large_import_becomes_entries_of_at_most_2000_decisions(rights: Privacy) -> None:
    rows = "\n".join(f"phone,139{number:08d},marketing,granted,2024-01-31" for number in range(4_500))
    assert (await upload(rights, (HEADER + rows).encode()))["recorded"] == 4_500
    entries = [entry for _, entry in await rights.entries("EVENTS_0")]
    assert [len(entry.decisions) for entry in entries if isinstance(entry, Consents)] == [2_000, 2_000, 500]


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/consents/grant", {**WHO, "purpose": "spying"}, 400, "no such purpose"),
        ("/consents/grant", {**WHO, "purpose": "service"}, 400, "does not stand on consent"),
        ("/consents", {**WHO, "purpose": "marketing"}, 422, "granted"),
        ("/consents/grant", {**WHO, "purpose": "marketing", "decided_at": "2999-01-01"}, 400, "future"),
        ("/requests", {**WHO, "type": "deletion"}, 404, "none of these identifiers is known"),
        ("/requests/none/confirm", {}, 404, "no request"),
    ],
)
async def test_what_makes_no_sense_is_refused(privacy: Privacy, path: str, body: Any, status: int, says: str) -> None:
    answer = await post(privacy, path, body)
    assert (answer.status_code, says in answer.json()["detail"]) == (status, True), answer.text
    assert (await post(privacy, path, body, "privacy:read")).status_code == 403
    assert await privacy.log.end(events_stream(0)) == 0
