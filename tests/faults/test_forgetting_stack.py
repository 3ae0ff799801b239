"""Forgetting on the whole stack: what was sent over HTTP, then erased, is gone for whoever holds everything."""

import base64
import hashlib
import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from libs.common.contracts.events import EVENTS, Batch
from libs.common.db import open_engine
from libs.common.eventlog.jetstream import JetStreamLog, connect
from libs.devstack import api
from libs.devstack.catchup import catch_up
from libs.devstack.postgres import SUPERUSER, VAULT_DATABASE
from tests.faults.crowd import Person, batches
from tests.faults.sending import Journal, send_all
from tests.faults.verifying import verify
from tests.stack import RunningStack, StackFactory
from tests.thief import Event, Thief

PEOPLE, EVENTS_EACH = 40, 12
GONE = (3, 17, 31)


def forms(value: str) -> Iterator[bytes]:
    """A value as it may lie about in files."""
    for text in {value, value.lower(), value.upper()}:
        raw = text.encode()
        yield raw
        yield raw.hex().encode()
        yield base64.b64encode(raw)
        yield text.encode("utf-16-le")
        yield text.encode("utf-16-be")
        for algorithm in ("md5", "sha1", "sha256"):
            digest = hashlib.new(algorithm, raw)
            yield digest.digest()
            yield digest.hexdigest().encode()


def places_of(values: Sequence[str], root: Path) -> list[str]:
    """Files below `root` that hold any form of any of the values."""
    wanted = [form for value in values for form in forms(value)]
    # os.walk passes over a directory that is deleted meanwhile: ClickHouse merges parts all the time.
    files = [Path(directory) / name for directory, _, names in os.walk(root) for name in names]
    return [str(path.relative_to(root)) for path in files if _holds(_content(path), wanted)]


def _content(path: Path) -> bytes:
    """Empty when the file was deleted meanwhile."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _holds(content: bytes, wanted: Sequence[bytes]) -> bool:
    return any(form in content for form in wanted)


def identifiers(person: Person) -> list[str]:
    return [value for _, value in person.identifiers] + [person.phone.removeprefix("+86")]


async def events_of(stack: RunningStack) -> list[Event]:
    """Every event of the log, as it lies there."""
    found: list[Event] = []
    async with connect(stack.nats_url("identity"), "thief") as client:
        log = JetStreamLog(client)
        end, position = await log.end("EVENTS_0"), 0
        async with log.read("EVENTS_0", 0) as reader:
            while position < end:
                for entry in await reader.next(max_entries=50, max_bytes=10**7, wait=5):
                    position = entry.position
                    batch = EVENTS.decode(entry.data)
                    if isinstance(batch, Batch):
                        found += [Event(each.id, batch.bindings[each.binding].id, each.body) for each in batch.events]
    return found


async def bindings_of(stack: RunningStack, people: Sequence[Person]) -> set[bytes]:
    """The bindings that identity has for these people, while it has them."""
    token = stack.token(["profiles:read", "identity:read"], ["service"])
    found: set[bytes] = set()
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, trust_env=False) as client:
        for person in people:
            answer = await client.post(
                f"{stack.url('profile')}/v1/profiles:lookup?purpose=service",
                json={"kind": "user_id", "value": person.user_id},
            )
            customer = answer.json()["customer_id"]
            known = (await client.get(f"{stack.url('identity')}/v1/customers/{customer}")).json()
            found |= {bytes.fromhex(each["binding"]) for each in known["bindings"]}
    return found


@pytest.mark.stack
@pytest.mark.slow
async def test_an_erased_person_is_gone_for_whoever_holds_the_whole_data_directory(new_stack: StackFactory) -> None:
    stack = new_stack()
    root = stack.layout.root
    async with open_engine(stack.postgres.url(SUPERUSER, VAULT_DATABASE), "vault") as vault:
        thief = Thief("default", stack.layout.vault, stack.layout.postgres)
        await thief.begin(vault)
        people = [Person(number, "f") for number in range(PEOPLE)]
        todo = batches(people, seed=1, events=EVENTS_EACH, size=25)
        await send_all(stack.url("ingest"), stack.create_source("crowd"), todo, Journal(), clients=2, seed=1)
        await catch_up(stack, 60)
        gone, staying = [people[number] for number in GONE], [p for p in people if p.number not in GONE]
        theirs = await bindings_of(stack, gone)
        log = await events_of(stack)
        gone_events = [event for event in log if event.binding in theirs]
        other_events = [event for event in log if event.binding not in theirs]
        assert len({event.id for event in gone_events}) == len(GONE) * EVENTS_EACH

        await thief.look(vault)
        before = thief.readable(gone_events)
        assert before == len(gone_events)
        for person in gone:
            kind, value = random.Random(person.number).choice(person.identifiers)
            erased = stack.wanliu("privacy", "erase", "--kind", kind, "--value", value)
            assert erased.returncode == 0, erased.stderr
        await catch_up(stack, 60)
        await thief.look(vault)
        after = thief.readable(gone_events)
        print(f"\nevents decrypted before={before} after={after} of {len(gone_events)}")
        assert after == 0
        assert thief.readable(other_events) == len(other_events)

    assert places_of([value for person in gone for value in identifiers(person)], root) == []
    await nobody_answers(stack, gone)
    assert (await verify(stack, staying)).exact
    for service in ("ingest", "identity", "profile"):
        replayed = stack.wanliu("replay", service)
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    await nobody_answers(stack, gone)
    assert stack.wanliu("reconcile").returncode == 0


async def nobody_answers(stack: RunningStack, gone: Sequence[Person]) -> None:
    with api.client(stack, "profile", ["profiles:read"], ["service"]) as http:
        for person in gone:
            for kind, value in person.identifiers:
                answer = http.post("/v1/profiles:lookup?purpose=service", json={"kind": kind, "value": value})
                assert answer.status_code == 404, f"{kind} of an erased person is answered {answer.status_code}"


def test_the_byte_search_finds_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" + base64.b64encode(b"user-f-3"))
    assert places_of(["user-f-3"], tmp_path) == ["log"]
    assert places_of(["user-f-4"], tmp_path) == []
