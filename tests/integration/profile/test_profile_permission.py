"""Reads ask for every customer, every time, whether the purpose may: withdrawn, restricted, no answer: it may not."""

from typing import Any

import pytest

from libs.common.ids import customer_text
from tests.integration.profile.api import REVEALER, Api
from tests.integration.profile.world import Sent, customer, ids

WANG, LI = customer("wang"), customer("li")
BROWSER, PHONE, USER = ids(anonymous_id="b-1"), ids(phone="+8613912345678"), ids(user_id="u-2")


@pytest.fixture
async def people(api: Api) -> Api:
    """One person with two identifiers in two bindings, and another."""
    api.world.send(Sent(WANG, BROWSER), Sent(WANG, (*BROWSER, *PHONE)), Sent(LI, USER))
    await api.tables.catch_up()
    return api


def decide(api: Api, identifier: Any, **purposes: bool) -> None:
    api.world.standings.consents.setdefault(api.world.vault.pseudonym(identifier), {}).update(purposes)


def reasons(profile: Any) -> set[str]:
    return {each["reason"] for each in profile["withheld"]}


async def test_consent_opens_the_profile_and_a_withdrawal_by_any_identifier_closes_it(people: Api) -> None:
    decide(people, PHONE[0], marketing=True)
    shown = await people.profile(WANG, REVEALER, purpose="marketing")
    assert (shown["metrics"]["events"], shown["withheld"]) == (2, [])
    decide(people, BROWSER[0], marketing=False)
    for scopes in (REVEALER, ("profiles:read",)):
        hidden = await people.profile(WANG, scopes, purpose="marketing")
        assert (hidden["metrics"], reasons(hidden)) == (None, {"consent_withdrawn"})
    assert (await people.profile(WANG))["metrics"]["events"] == 2, "what stands on contract does not need consent"


async def test_whoever_is_restricted_is_withheld_for_every_purpose_and_others_are_not(people: Api) -> None:
    decide(people, PHONE[0], marketing=True)
    people.world.standings.restricted.add(people.world.vault.pseudonym(PHONE[0]))
    for purpose in ("service", "marketing"):
        hidden = await people.profile(WANG, REVEALER, purpose=purpose)
        assert (hidden["metrics"], reasons(hidden)) == (None, {"restricted"})
    timeline = (await people.get(f"/v1/profiles/{customer_text(WANG)}/timeline")).json()
    assert (timeline["events"], reasons(timeline)) == ([], {"restricted"})
    both = (
        await people.post("/v1/profiles:batchGet", {"customer_ids": [customer_text(WANG), customer_text(LI)]})
    ).json()
    assert [reasons(each) for each in both["profiles"]] == [{"restricted"}, {"no_scope"}]
    assert await people.audit() == [] or all(entry.customer == LI for entry in await people.audit())


@pytest.mark.parametrize("purpose", ["service", "marketing"])
async def test_without_an_answer_from_privacy_nobody_is_shown_for_any_purpose(people: Api, purpose: str) -> None:
    decide(people, PHONE[0], marketing=True)
    people.world.standings.away = True
    for path in (f"/v1/profiles/{customer_text(WANG)}", f"/v1/profiles/{customer_text(WANG)}/timeline"):
        answer = await people.get(path, REVEALER, purpose)
        assert answer.status_code == 503
        assert "privacy" in answer.json()["detail"]
    assert await people.audit() == []
