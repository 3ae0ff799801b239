"""The last acts: the customer is forgotten, and whoever watched gets something to try."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from libs.common.confirming import EXPECTED
from libs.devstack.api import answer, client
from libs.devstack.demo import reading
from libs.devstack.demo.checks import must, must_equal
from libs.devstack.demo.figures import Numbers, check_restated
from libs.devstack.demo.marketing import gone
from libs.devstack.demo.screen import short
from libs.devstack.demo.stage import Stage
from libs.devstack.errors import StackError
from libs.devstack.table import SERVICES

PATIENCE_SECONDS = 60.0
POLL_SECONDS = 0.02
TOKEN_SECONDS = 3600


def forget(stage: Stage, customer: str, friend: str, numbers: Numbers) -> None:
    """She asks to be deleted, by one identifier; then nothing leads to her, and the friend is as before."""
    screen, person = stage.screen, stage.cast.customer
    screen.act("8  Forgotten, with a receipt")
    before = reading.look_up(stage.stack, {"user_id": stage.cast.friend.user_id})["user_id"]
    request, kinds = _preview(stage, person.phone, customer)
    started = monotonic()
    _confirm(stage, request, person.phone)
    done = _completed(stage, request)
    seconds = monotonic() - started
    stage.catch_up()
    found = reading.look_up(stage.stack, person.identifiers)
    screen.table(
        ("identifier", "leads to"), [(kind, short(one["customer_id"]) if one else "404") for kind, one in found.items()]
    )
    must(not any(found.values()), "no identifier of hers leads anywhere")
    _check_nowhere(stage, customer)
    after = reading.look_up(stage.stack, {"user_id": stage.cast.friend.user_id})["user_id"]
    must(before is not None and after is not None, "the friend is still known")
    must_equal(
        after and (after["customer_id"], after["metrics"]), before and (friend, before["metrics"]), "her profile"
    )
    services = done["services"]
    must_equal(services["vault"]["identifiers"], kinds, "the number of identifiers that the vault destroyed")
    must_equal(services["profile"]["events"], 10, "the number of her events that profile erased")
    rows = [(name, ", ".join(f"{count} {what}" for what, count in counts.items())) for name, counts in services.items()]
    screen.table(("service", "confirmed as erased"), rows)
    screen.say(
        f"Asked for by one phone number, confirmed without a delay, restricted at once; all six confirmed in "
        f"{seconds:.2f} s. The keys are destroyed: what the log, backups and old pages still hold of her is noise. "
        "The friend is untouched."
    )
    check_restated(stage, numbers, friend)
    _verify_receipt(stage, request)


def _preview(stage: Stage, phone: str, customer: str) -> tuple[str, int]:
    """A deletion request that shows what it would take and changes nothing; its id and how many identifiers."""
    with client(stage.stack, "privacy", ("privacy:write",)) as http:
        body = {"type": "deletion", "identifiers": [{"kind": "phone", "value": phone}]}
        asked = answer(http.post("/v1/requests", json=body))
    preview = asked["preview"]
    must_equal([each["customer_id"] for each in preview["customers"]], [customer], "whom the deletion would take")
    must_equal(preview["events"], 10, "the number of events that the deletion would take")
    must_equal(set(preview["identifiers"]), set(stage.cast.customer.identifiers), "the kinds of identifiers found")
    must(reading.exists(stage.stack, customer), "a preview changes nothing")
    held = ", ".join(f"{count} {kind}" for kind, count in preview["identifiers"].items())
    evidence = len(preview["customers"][0]["evidence"])
    stage.screen.say(f"A deletion request begins with a preview: {held}; {preview['events']} events, held together by "
                     f"{evidence} pieces of evidence. Nothing has happened yet.")  # fmt: skip
    return str(asked["request"]), sum(preview["identifiers"].values())


def _confirm(stage: Stage, request: str, phone: str) -> None:
    """Confirms with no delay; when it is answered nothing of her is shown any more."""
    with client(stage.stack, "privacy", ("privacy:write",)) as http:
        answer(http.post(f"/v1/requests/{request}/confirm", json={"delay_seconds": 0}))
    with client(stage.stack, "profile", *reading.READER) as http:
        body = {"kind": "phone", "value": phone}
        now = http.post("/v1/profiles:lookup", params=reading.PURPOSE, json=body)
    if not gone(now):
        reasons = {each["reason"] for each in answer(now)["withheld"]}
        must_equal(reasons, {"restricted"}, "why nothing is shown of her while she is being erased")


def _completed(stage: Stage, request: str) -> dict[str, Any]:
    """Waits until every service has confirmed."""
    with client(stage.stack, "privacy", ("privacy:read",)) as http:
        end = monotonic() + PATIENCE_SECONDS
        while monotonic() < end:
            state: dict[str, Any] = answer(http.get(f"/v1/requests/{request}"))
            if state["state"] == "completed":
                must_equal(sorted(state["services"]), sorted(EXPECTED), "who has confirmed")
                return state
            sleep(POLL_SECONDS)
    missing = ", ".join(state["waiting_for"])
    raise StackError(
        f"the deletion is {state['state']} after {PATIENCE_SECONDS:.0f} s, waiting for {missing or 'time'}"
    )


def _check_nowhere(stage: Stage, customer: str) -> None:
    """Her customer id leads nowhere, in any service that has one."""
    must(not reading.exists(stage.stack, customer), "her customer id leads nowhere in profile")
    asked = (("segments", f"/v1/customers/{customer}/segments"), ("identity", f"/v1/customers/{customer}"))
    for service, path in asked:
        with client(stage.stack, service, (f"{service}:read",), ("service",)) as http:
            must(gone(http.get(path, params=reading.PURPOSE)), f"her customer id leads nowhere in {service}")


def _verify_receipt(stage: Stage, request: str) -> None:
    """The receipt is genuine, offline and by the public key alone; altered in one digit it is not; it names nobody."""
    with client(stage.stack, "privacy", ("privacy:read",)) as http:
        receipt = json.dumps(answer(http.get(f"/v1/requests/{request}/receipt")))
        key = http.get("/v1/receipts/key").text
    must(not any(value in receipt for value in stage.cast.customer.identifiers.values()), "the receipt names nobody")
    forged = receipt.replace('"events": 10', '"events": 11')
    must(forged != receipt, "the receipt says how many events were erased")
    with tempfile.TemporaryDirectory(prefix="wanliu-receipt-") as directory:
        file, public = Path(directory) / "receipt.json", Path(directory) / "key.pem"
        file.write_text(receipt)
        public.write_text(key)
        words = ("-m", "libs.devstack.cli", "privacy", "verify", str(file), "--key", str(public))
        done = subprocess.run([sys.executable, "-P", *words], capture_output=True, text=True, check=False)  # noqa: S603
    must_equal(done.returncode, 0, "the exit code of `wanliu privacy verify` for the receipt")
    must(not _is_genuine(forged, key), "an altered receipt is not genuine")
    stage.screen.say(
        "Her receipt says in counts what was erased and names nobody. `wanliu privacy verify`, offline and with the "
        "public key alone: genuine. With one digit changed: not genuine."
    )


def _is_genuine(receipt: str, key: str) -> bool:
    """What `wanliu privacy verify` decides, without another process."""
    from services.privacy.rights.receipts import verify

    try:
        verify(json.loads(receipt), key)
    except ValueError:
        return False
    return True


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
