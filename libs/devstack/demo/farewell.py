"""The last acts: the customer is forgotten, and whoever watched gets something to try."""

import json
from time import monotonic, sleep
from typing import Any

from libs.devstack.api import answer, client
from libs.devstack.demo import reading
from libs.devstack.demo.checks import must, must_equal
from libs.devstack.demo.screen import short
from libs.devstack.demo.stage import Stage
from libs.devstack.errors import StackError
from libs.devstack.table import SERVICES

PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.02
TOKEN_SECONDS = 3600


def forget(stage: Stage, customer: str, friend: str) -> None:
    """Erases the customer by one identifier; then nothing leads to her, and the friend is as before."""
    screen, person = stage.screen, stage.cast.customer
    screen.act("5  Forgotten")
    before = reading.look_up(stage.stack, {"user_id": stage.cast.friend.user_id})["user_id"]
    started = monotonic()
    done = _erase(stage, "phone", person.phone)
    seconds = monotonic() - started
    stage.catch_up()
    found = reading.look_up(stage.stack, person.identifiers)
    screen.table(
        ("identifier", "leads to"), [(kind, short(one["customer_id"]) if one else "404") for kind, one in found.items()]
    )
    must(not any(found.values()), "no identifier of hers leads anywhere")
    must(not reading.exists(stage.stack, customer), "her customer id leads nowhere")
    after = reading.look_up(stage.stack, {"user_id": stage.cast.friend.user_id})["user_id"]
    must(before is not None and after is not None, "the friend is still known")
    must_equal(
        after and (after["customer_id"], after["metrics"]), before and (friend, before["metrics"]), "her profile"
    )
    screen.say(
        f"Asked to forget the person behind one phone number. In {seconds:.2f} s {done['identifiers']} identifiers "
        f"(these, the chat, the receipt) and the keys of {done['bindings']} bindings were destroyed. What the log, "
        "backups and old pages still hold of her is noise. The friend is untouched."
    )


def _erase(stage: Stage, kind: str, value: str) -> dict[str, Any]:
    """Asks for the erasure and waits until the vault says that the keys are overwritten."""
    with client(stage.stack, "privacy", ("privacy:write", "privacy:read")) as http:
        body = {"identifiers": [{"kind": kind, "value": value}]}
        request = answer(http.post("/v1/erasures", json=body))["request"]
        end = monotonic() + PATIENCE_SECONDS
        while monotonic() < end:
            state: dict[str, Any] = answer(http.get(f"/v1/erasures/{request}"))
            if state["status"] == "erased":
                return state
            sleep(POLL_SECONDS)
    raise StackError(f"the erasure {request} is still {state['status']} after {PATIENCE_SECONDS:.0f} s")


def look_around(stage: Stage, card: str) -> None:
    """URLs, and three commands that work when pasted."""
    screen, stack = stage.screen, stage.stack
    screen.act("Look around, as long as the stack runs")
    screen.table(("service", "interactive API"), [(each.name, f"{stack.url(each.name)}/docs") for each in SERVICES])
    screen.say("Try next (the token is good for an hour):\n")
    for line in commands(stage, card):
        screen.console.print(line, soft_wrap=True, highlight=False, markup=False)


def commands(stage: Stage, card: str) -> list[str]:
    """Lines for a shell: a token, then a profile by member card, a timeline, an event of one's own."""
    stack = stage.stack
    token = stack.token(("profiles:read",), ("service",), subject="demo", ttl=TOKEN_SECONDS)
    friend = reading.look_up(stack, {"user_id": stage.cast.friend.user_id})["user_id"]
    assert friend is not None  # noqa: S101 - the act before has checked it
    profile, door = stack.url("profile"), stage.doors.open("Demo web shop", "web")
    bearer = 'curl -sS -H "Authorization: Bearer $TOKEN"'
    customer = {"kind": "member_card", "value": card}
    event = json.dumps({"userId": "me", "event": "Tried it", "properties": {"mood": "curious"}})
    return [
        f"TOKEN={token}",
        f"{bearer} -H 'content-type: application/json' -d '{json.dumps(customer)}' "
        f"'{profile}/v1/profiles:lookup?purpose=service'",
        f"{bearer} '{profile}/v1/profiles/{friend['customer_id']}/timeline?purpose=service'",
        f"curl -sS -u {door.write_key}: -H 'content-type: application/json' -d '{event}' {door.url}/v1/track",
    ]
