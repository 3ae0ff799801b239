"""Personal information over the whole chain: shown only to who may, noted in the log first, gone with the person."""

from typing import Any

import httpx
import pytest

from libs.devstack import api
from tests.stack import RunningStack

pytestmark = pytest.mark.stack

NAME, EMAIL, PHONE = "欧阳青青", "qingqing.ouyang@example.com", "15400001234"


def send(stack: RunningStack, key: str, *events: dict[str, Any]) -> None:
    body = {"batch": list(events)}
    with httpx.Client(base_url=stack.url("ingest"), trust_env=False, timeout=30) as http:
        http.post("/v1/batch", json=body, auth=(key, "")).raise_for_status()


def lookup(http: httpx.Client, **identifier: str) -> httpx.Response:
    return http.post("/v1/profiles:lookup", params={"purpose": "service"}, json=identifier)


def test_what_is_personal_is_shown_to_who_may_see_it_with_an_entry_in_the_log_and_forgotten_with_the_person(
    stack: RunningStack,
) -> None:
    key = stack.create_source("reveal web")
    traits = {"email": EMAIL, "phone": PHONE, "name": NAME, "level": "gold"}
    send(stack, key, {"type": "identify", "userId": "u-reveal", "messageId": "reveal-1", "traits": traits})
    stack.catchup()
    phone = {"kind": "phone", "value": f"+86 {PHONE}"}
    with api.client(stack, "profile", ["profiles:read"], ["service"]) as http:
        plain = lookup(http, **phone)
        assert plain.json()["traits"] == {"level": "gold"}
        for value in (NAME, EMAIL, PHONE):
            assert value not in plain.text
    with api.client(stack, "profile", ["profiles:read", "personal:reveal", "audit:read"], ["service"]) as http:
        shown = api.answer(lookup(http, **phone))
        assert shown["personal"] == {"name": NAME}
        assert {each["kind"]: each["values"] for each in shown["identifiers"]} == {
            "email": [EMAIL],
            "phone": [f"+86{PHONE}"],
            "user_id": ["u-reveal"],
        }
        stack.catchup()
        noted = api.answer(http.get("/v1/reveals", params={"customer_id": shown["customer_id"]}))["reveals"]
        assert [each["names"] for each in noted] == [
            ["identifiers.email", "identifiers.phone", "identifiers.user_id", "personal.name"]
        ]
        position = noted[0]["position"]
        assert lookup_at_least(http, position, phone).status_code == 200
    digest = stack.wanliu("digest", "profile").stdout
    replayed = stack.wanliu("replay", "profile")
    assert replayed.returncode == 0, replayed.stderr
    assert stack.wanliu("digest", "profile").stdout == digest
    with api.client(stack, "privacy", ["privacy:write"]) as http:
        api.answer(http.post("/v1/erasures", json={"identifiers": [phone]}))
    stack.catchup()
    with api.client(stack, "profile", ["profiles:read", "personal:reveal"], ["service"]) as http:
        assert lookup(http, **phone).status_code == 404
        assert http.get(f"/v1/profiles/{shown['customer_id']}", params={"purpose": "service"}).status_code == 404


def lookup_at_least(http: httpx.Client, position: int, identifier: dict[str, str]) -> httpx.Response:
    params = {"purpose": "service", "at_least": f"0:{position}", "reveal": "none"}
    return http.post("/v1/profiles:lookup", params=params, json=identifier)
