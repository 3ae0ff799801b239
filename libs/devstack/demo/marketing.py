"""The acts of marketing: with her consent she is in a segment; without it she is out, and nothing is shown of her."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import Any

import httpx

from libs.devstack.api import answer, client
from libs.devstack.demo import reading
from libs.devstack.demo.checks import must, must_equal
from libs.devstack.demo.stage import Stage
from libs.devstack.errors import StackError

EFFECTIVE_SECONDS = 5.0
POLL_SECONDS = 0.02
SEGMENT = "Recent buyers"
PURPOSE = "marketing"
BUYERS = {"event": {"name": "Order Completed", "op": "gte", "count": 2, "within": {"days": 30}}}
NOTICE = {"method": "web_form", "notice": "2026-11"}
STANDING = ("traits", "computed", "identifiers", "metrics", "channels", "events", "withheld")
"""The parts of a profile that a decision about marketing must leave as they are for purpose `service`."""


def consent_and_enter(stage: Stage, customer: str) -> str:
    """A segment of recent buyers takes her in when she consents, and not before. Returns the segment."""
    screen, person = stage.screen, stage.cast.customer
    screen.act("5  She consents to marketing, and is in a segment")
    segment = _define(stage)
    must_equal(_reasons(stage, customer), {"no_consent"}, "why nothing is shown of her for marketing")
    must(segment not in _segments(stage, customer), "two orders do not bring her into the segment without consent")
    decide(stage, "grant", "phone", person.phone)
    seconds = _takes("she is in the segment", lambda: segment in _segments(stage, customer))
    must_equal(_reasons(stage, customer), set(), "what withholds her whole profile for marketing")
    with client(stage.stack, "segments", ("segments:read",), (PURPOSE,)) as http:
        count = answer(http.get(f"/v1/segments/{segment}"))["members"]
    screen.say(
        f"Segment `{SEGMENT}`: at least 2 x `Order Completed` within 30 days, on any channels, for purpose {PURPOSE}. "
        f"She qualifies (one order in the app, one in a store), but was not in it: no consent. "
        f"She consents by phone number; {seconds:.2f} s later she is in ({count} in all)."
    )
    return segment


def withdraw_and_leave(stage: Stage, customer: str, segment: str) -> None:
    """Withdrawn by another identifier: out of the segment, nothing for marketing, all as before for service."""
    screen, person = stage.screen, stage.cast.customer
    screen.act("7  She withdraws her consent")
    before = _standing(stage)
    decide(stage, "withdraw", "wechat_openid", person.openid)
    seconds = _takes("she has left the segment", lambda: segment not in _segments(stage, customer))
    must_equal(_reasons(stage, customer), {"consent_withdrawn"}, "why nothing is shown of her for marketing")
    must_equal(_standing(stage), before, "her profile for purpose service")
    screen.say(
        f"By her WeChat openid this time; it is one person. {seconds:.2f} s later she is out of the segment, and her "
        "profile for marketing is withheld (`consent_withdrawn`). For service it is as it was: that is a contract's."
    )


def _define(stage: Stage) -> str:
    """The id of the segment, made unless an earlier run has made it; its history is counted when we return."""
    with client(stage.stack, "segments", ("segments:read", "segments:write")) as http:
        same = [each for each in answer(http.get("/v1/segments"))["segments"] if _is_it(each)]
        if same:
            return str(same[0]["segment"])
        written = answer(http.post("/v1/segments", json={"name": SEGMENT, "purpose": PURPOSE, "definition": BUYERS}))
        segment, at_least = written["segment"], {"at_least": written["position"]}
        end = monotonic() + EFFECTIVE_SECONDS
        while answer(http.get(f"/v1/segments/{segment}", params=at_least))["backfilling"]:
            must(monotonic() < end, f"a new segment knows the history within {EFFECTIVE_SECONDS:.0f} s")
            sleep(POLL_SECONDS)
    return str(segment)


def _is_it(segment: dict[str, Any]) -> bool:
    return (segment["name"], segment["purpose"], segment["definition"]) == (SEGMENT, PURPOSE, BUYERS)


def decide(stage: Stage, what: str, kind: str, value: str) -> None:
    """Records that she grants or withdraws (`what`) her consent, by one identifier; in force when we return."""
    with client(stage.stack, "privacy", ("privacy:write",)) as http:
        body = {"identifiers": [{"kind": kind, "value": value}], "purpose": PURPOSE, **NOTICE}
        must_equal(answer(http.post(f"/v1/consents/{what}", json=body))["outcomes"], ["recorded"], "the outcome")


def _segments(stage: Stage, customer: str) -> set[str]:
    with client(stage.stack, "segments", ("segments:read",), (PURPOSE,)) as http:
        response = http.get(f"/v1/customers/{customer}/segments", params={"purpose": PURPOSE})
        return set() if gone(response) else {each["segment"] for each in answer(response)["segments"]}


def _reasons(stage: Stage, customer: str) -> set[str]:
    """Why her profile as a whole is withheld for marketing; empty when it is not."""
    with client(stage.stack, "profile", ("profiles:read",), (PURPOSE,)) as http:
        profile = answer(http.get(f"/v1/profiles/{customer}", params={"purpose": PURPOSE}))
    if profile["metrics"] is not None:
        return set()
    return {each["reason"] for each in profile["withheld"]}


def _standing(stage: Stage) -> dict[str, Any]:
    profile = reading.look_up(stage.stack, {"phone": stage.cast.customer.phone})["phone"]
    if profile is None:
        raise StackError("her phone number leads to nobody")
    return {part: profile[part] for part in STANDING}


def _takes(what: str, holds: Callable[[], bool]) -> float:
    """How long it took until it held; StoryBroken when it took longer than promised."""
    started = monotonic()
    while not holds():
        must(monotonic() - started < EFFECTIVE_SECONDS, f"{what} within {EFFECTIVE_SECONDS:.0f} s")
        sleep(POLL_SECONDS)
    return monotonic() - started


def gone(response: httpx.Response) -> bool:
    """Whether the answer was that there is nobody."""
    return response.status_code == reading.NOT_FOUND
