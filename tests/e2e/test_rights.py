"""A person's decisions and deletion on a whole stack: every process, every engine, the broker's permissions."""

import json
import signal
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.devstack import api
from tests.faults.test_forgetting_stack import places_of
from tests.stack import RunningStack, StackFactory

PATIENCE_SECONDS = 60
SCOPES = ("privacy:read", "privacy:write")
READ = ("profiles:read", "personal:reveal")


@contextmanager
def privacy(stack: RunningStack) -> Iterator[httpx.Client]:
    with api.client(stack, "privacy", SCOPES) as http:
        yield http


def send(stack: RunningStack, key: str, *events: dict[str, Any]) -> None:
    with httpx.Client(base_url=stack.url("ingest"), auth=(key, ""), trust_env=False, timeout=30) as http:
        api.answer(http.post("/v1/batch", json={"batch": [{"type": "track", **event} for event in events]}))


def profile(stack: RunningStack, kind: str, value: str, purpose: str = "service") -> httpx.Response:
    with api.client(stack, "profile", READ, ("service", "marketing")) as http:
        body = {"kind": kind, "value": value}
        return http.post("/v1/profiles:lookup", json=body, params={"purpose": purpose})


def reasons(answer: httpx.Response) -> set[str]:
    assert answer.status_code == 200, answer.text
    return {each["reason"] for each in answer.json()["withheld"]}


def until(stack: RunningStack, request: str, state: str) -> dict[str, Any]:
    with privacy(stack) as http:
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            found: dict[str, Any] = api.answer(http.get(f"/v1/requests/{request}"))
            if found["state"] == state:
                return found
            time.sleep(0.05)
    raise AssertionError(f"{request} is {found['state']}, not {state}: {found}")


def make_person(stack: RunningStack, name: str) -> tuple[str, str, str]:
    """A user with a phone and a browser, in the profile; (write key, user id, phone)."""
    number = zlib.crc32(name.encode()) % 10**8
    key, user, phone = stack.create_source(name[:40]), f"u-{number}", f"+86139{number:08d}"
    send(
        stack,
        key,
        {"anonymousId": f"b-{number}", "event": "Viewed"},
        {"anonymousId": f"b-{number}", "userId": user, "event": "Signed In"},
        {"userId": user, "type": "identify", "traits": {"phone": phone, "name": "李雷" + user}},
    )
    stack.catchup()
    return key, user, phone


@pytest.fixture
def person(stack: RunningStack, request: pytest.FixtureRequest) -> tuple[str, str, str]:
    """One on the shared stack."""
    return make_person(stack, request.node.name)


def test_a_withdrawal_holds_for_every_identifier_when_it_is_answered(
    stack: RunningStack, person: tuple[str, str, str]
) -> None:
    _, user, phone = person
    assert reasons(profile(stack, "user_id", user, "marketing")) == {"no_consent"}
    who = {"identifiers": [{"kind": "phone", "value": phone}], "purpose": "marketing"}
    with privacy(stack) as http:
        api.answer(http.post("/v1/consents/grant", json={**who, "method": "web_form", "notice": "2026-11"}))
        assert reasons(profile(stack, "user_id", user, "marketing")) == set()
        api.answer(http.post("/v1/consents/withdraw", json=who))
        assert reasons(profile(stack, "user_id", user, "marketing")) == {"consent_withdrawn"}
        told = api.answer(http.post("/v1/consents:lookup", json={"identifiers": [{"kind": "user_id", "value": user}]}))
    assert told["purposes"]["marketing"]["reason"] == "consent_withdrawn"
    assert told["purposes"]["service"]["allowed"]
    assert reasons(profile(stack, "user_id", user, "service")) == set()


def test_a_deletion_from_preview_to_a_receipt_that_is_verified_offline(
    stack: RunningStack, person: tuple[str, str, str], tmp_path: Path
) -> None:
    _, user, phone = person
    with privacy(stack) as http:
        api.answer(
            http.post(
                "/v1/consents/grant",
                json={"identifiers": [{"kind": "phone", "value": phone}], "purpose": "marketing", "method": "paper"},
            )
        )
        asked = {"type": "deletion", "identifiers": [{"kind": "phone", "value": phone}]}
        created = http.post("/v1/requests", json=asked)
        assert created.status_code == 201, created.text
        preview, request = created.json()["preview"], created.json()["request"]
        assert preview["identifiers"] == {"anonymous_id": 1, "phone": 1, "user_id": 1}
        assert (preview["bindings"], preview["events"]) == (3, 3)
        assert preview["rows"]["privacy"] == {"bindings": 3, "consents": 1}
        (customer,) = preview["customers"]
        assert len(customer["evidence"]) == 3
        assert reasons(profile(stack, "user_id", user)) == set(), "a preview changes nothing"
        confirmed = api.answer(http.post(f"/v1/requests/{request}/confirm", json={"delay_seconds": 0}))
        assert confirmed["state"] in ("erasing", "completed")
        answer = profile(stack, "user_id", user)
        assert answer.status_code == 404 or reasons(answer) == {"restricted"}
    done = until(stack, request, "completed")
    assert done["services"]["profile"] == {"bindings": 3, "events": 3}
    assert done["services"]["identity"] == {"bindings": 3, "customers": 1, "pseudonyms": 3}
    assert done["services"]["vault"] == {"bindings": 3, "identifiers": 3}
    assert done["services"]["privacy"]["consents"] == 1
    for kind, value in (("user_id", user), ("phone", phone)):
        assert profile(stack, kind, value).status_code == 404
    file = tmp_path / "receipt.json"
    printed = stack.wanliu("privacy", "receipt", request)
    assert printed.returncode == 0, printed.stderr
    file.write_text(printed.stdout)
    verified = stack.wanliu("privacy", "verify", str(file))
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["erased"]["profile"] == {"bindings": 3, "events": 3}
    assert user not in file.read_text()
    assert phone[3:] not in file.read_text()
    file.write_text(printed.stdout.replace('"events": 3', '"events": 4'))
    forged = stack.wanliu("privacy", "verify", str(file))
    assert forged.returncode == 1
    assert "not genuine" in forged.stderr
    for command in ("digest", "replay"):
        assert stack.wanliu(command, "privacy").returncode == 0
    assert places_of([user, phone, phone[3:], "李雷" + user], stack.layout.root) == []


def test_a_pending_deletion_restricts_at_once_and_its_cancelling_lifts_that(
    stack: RunningStack, person: tuple[str, str, str]
) -> None:
    _, user, _ = person
    with privacy(stack) as http:
        asked = {"type": "deletion", "identifiers": [{"kind": "user_id", "value": user}]}
        request = api.answer(http.post("/v1/requests", json=asked))["request"]
        pending = api.answer(http.post(f"/v1/requests/{request}/confirm", json={"delay_seconds": 3600}))
        assert pending["state"] == "pending"
        assert reasons(profile(stack, "user_id", user)) == {"restricted"}
        cancelled = api.answer(http.post(f"/v1/requests/{request}/cancel"))
        assert cancelled["state"] == "cancelled"
        assert reasons(profile(stack, "user_id", user)) == set()
        assert http.post(f"/v1/requests/{request}/confirm", json={}).status_code == 409


def test_kills_delay_a_deletion_and_silence_of_privacy_shows_nothing(new_stack: StackFactory) -> None:
    stack = new_stack()
    _, user, _ = make_person(stack, "killed")
    stack.kill("privacy", signal.SIGSTOP)
    try:
        for purpose in ("service", "marketing"):
            assert profile(stack, "user_id", user, purpose).status_code == 503
    finally:
        stack.kill("privacy", signal.SIGCONT)
    with privacy(stack) as http:
        asked = {"type": "deletion", "identifiers": [{"kind": "user_id", "value": user}]}
        request = api.answer(http.post("/v1/requests", json=asked))["request"]
        api.answer(http.post(f"/v1/requests/{request}/confirm", json={"delay_seconds": 1}))
    for name in ("privacy-worker", "profile-worker", "identity-worker"):
        stack.kill(name)
    until(stack, request, "completed")
    stack.catchup()
    assert profile(stack, "user_id", user).status_code == 404


def test_suppressed_identifiers_never_come_back_and_others_come_back_as_a_new_person(
    stack: RunningStack, person: tuple[str, str, str]
) -> None:
    key, user, phone = person
    with privacy(stack) as http:
        asked = {"type": "deletion", "identifiers": [{"kind": "user_id", "value": user}], "suppress": True}
        request = api.answer(http.post("/v1/requests", json=asked))["request"]
        api.answer(http.post(f"/v1/requests/{request}/confirm", json={"delay_seconds": 0}))
        until(stack, request, "completed")
        send(stack, key, {"userId": user, "event": "Back Again"}, {"userId": f"{user}-new", "event": "Hello"})
        stack.catchup()
        assert profile(stack, "user_id", user).status_code == 404
        assert profile(stack, "user_id", f"{user}-new").status_code == 200
        who = {"identifiers": [{"kind": "phone", "value": phone}], "purpose": "marketing"}
        assert api.answer(http.post("/v1/consents/grant", json=who))["outcomes"] == ["suppressed"]
    balance = stack.wanliu("reconcile", "--json")
    assert balance.returncode == 0, balance.stdout


def test_consents_are_imported_by_the_command_and_bad_rows_are_told(
    stack: RunningStack, person: tuple[str, str, str], tmp_path: Path
) -> None:
    _, user, phone = person
    file = tmp_path / "consents.csv"
    header = "kind,value,purpose,decision,decided_at,method,notice"
    rows = [f"phone,{phone[3:]},marketing,同意,2024-01-31,门店,v1", "phone,nobody,marketing,同意,2024-01-31,门店,v1"]
    file.write_bytes("\r\n".join([header, *rows]).encode("gb18030"))
    done = stack.wanliu("privacy", "import-consents", str(file))
    assert done.returncode == 1
    assert json.loads(done.stdout)["errors"] == [
        {"row": 3, "reason": "`value` is no phone: empty, malformed or a word for nobody"}
    ]
    assert reasons(profile(stack, "user_id", user, "marketing")) == set()
