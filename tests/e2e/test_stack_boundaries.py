"""Who may do what inside a running stack: the broker and the database refuse it, not good manners."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from nats.aio.client import Client

from libs.common.contracts.vault import SUBJECT
from libs.common.eventlog.base import LogUnavailable
from libs.common.eventlog.jetstream import JetStreamLog, connect
from libs.devstack.provision import SERVICE_NAMES, password_variable
from tests.stack import RunningStack

pytestmark = pytest.mark.stack


@asynccontextmanager
async def as_service(stack: RunningStack, service: str) -> AsyncIterator[Client]:
    async with connect(stack.nats_url(service), "test") as client:
        yield client


async def test_only_identity_can_append_to_stitched(stack: RunningStack) -> None:
    for service in set(SERVICE_NAMES) - {"identity"}:
        async with as_service(stack, service) as client:
            with pytest.raises(LogUnavailable):
                await JetStreamLog(client, timeout=0.3).append("STITCHED_0", b"forged")


async def test_a_service_cannot_delete_or_purge_a_stream(stack: RunningStack) -> None:
    async with as_service(stack, "ingest") as client:
        for command in ("STREAM.DELETE.EVENTS_0", "STREAM.PURGE.EVENTS_0", "STREAM.MSG.DELETE.EVENTS_0"):
            with pytest.raises(TimeoutError):
                await client.request(f"$JS.API.{command}", b"{}", timeout=0.3)
    async with as_service(stack, "operator") as client:
        assert await JetStreamLog(client).log_id("EVENTS_0")


async def test_identity_gets_no_key_from_the_vault(stack: RunningStack) -> None:
    async with as_service(stack, "identity") as client:
        with pytest.raises(TimeoutError):
            await client.request(f"{SUBJECT}.keys", b"", timeout=0.3)


async def test_a_service_does_not_hear_what_the_vault_answers_another(stack: RunningStack) -> None:
    heard: list[str] = []

    async def hear(message: object) -> None:
        heard.append(str(message))

    async with as_service(stack, "identity") as spy, as_service(stack, "profile") as asking:
        for subject in ("_INBOX.>", "_INBOX.profile.>", f"{SUBJECT}.>"):
            await spy.subscribe(subject, cb=hear)
        await spy.flush()
        await asking.request(f"{SUBJECT}.workspace", b"\x91\xa7default", timeout=5)
        await spy.flush()
        assert heard == []


async def test_a_role_sees_only_its_own_schema_and_never_the_vault(stack: RunningStack) -> None:
    password = stack.credentials.password("postgres", "ingest")
    where = {"host": "127.0.0.1", "port": stack.postgres_port, "user": "ingest", "password": password}
    own = await asyncpg.connect(**where, database="wanliu")
    try:
        assert await own.fetchval("SELECT current_schema()") == "ingest"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await own.fetch("SELECT * FROM identity.positions")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await own.execute("CREATE TABLE public.x (n int)")
    finally:
        await own.close()
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await asyncpg.connect(**where, database="vault")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(**{**where, "password": "guess"}, database="wanliu")


async def test_postgresql_keeps_what_it_acknowledges(stack: RunningStack) -> None:
    connection = await stack.postgres.connect()
    try:
        for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert await connection.fetchval(f"SHOW {setting}") == "on"
        assert (await connection.fetchval("SHOW server_version")).startswith("18")
    finally:
        await connection.close()


def test_the_provision_job_runs_again_on_engines_that_have_everything(stack: RunningStack) -> None:
    secrets = {
        **{password_variable("nats", user): stack.credentials.password("nats", user) for user in ["operator"]},
        **{
            password_variable("postgres", role): stack.credentials.password("postgres", role)
            for role in ("postgres", *SERVICE_NAMES, "vault")
        },
    }
    where = {"WANLIU_POSTGRES": f"127.0.0.1:{stack.postgres_port}", "WANLIU_NATS": f"127.0.0.1:{stack.nats_port}"}

    def provision(environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "libs.devstack.provision"]
        return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)

    assert provision({**secrets, **where}).returncode == 0
    lacking = provision({**where, **secrets, "POSTGRES_VAULT_PASSWORD": ""})
    assert (lacking.returncode, "POSTGRES_VAULT_PASSWORD" in lacking.stderr) == (1, True)


def test_status_and_catchup_speak_json_and_positions_cover_the_tail(stack: RunningStack) -> None:
    import json

    stack.create_source("observed")
    positions = json.loads(stack.wanliu("catchup").stdout)["positions"]
    report = json.loads(stack.wanliu("status", "--json").stdout)
    assert report["ready"]
    assert positions["identity:0"]["stream"] == "EVENTS_0"
    assert positions["ingest:0"]["position"] >= 1
    assert positions["profile:0"]["position"] >= 1
    assert set(report["streams"]) == {"EVENTS_0", "STITCHED_0", "SEGMENTS_0"}
    assert report["processes"]["identity-worker"]["consumers"]["identity:0"]["lag"] >= 0


def test_a_wrong_scope_a_wrong_service_and_a_wrong_source_are_one_line_each(stack: RunningStack) -> None:
    for words, said in (
        (("token", "issue", "--scope", "nope"), "unknown scope"),
        (("digest", "vault"), "ingest, identity, profile"),
        (("tail", "no-such-source"), "no-such-source"),
    ):
        done = stack.wanliu(*words)
        assert done.returncode == 1
        assert said in done.stderr
        assert "Traceback" not in done.stderr


async def test_tail_shows_what_arrives_while_it_arrives(stack: RunningStack) -> None:
    import httpx

    from tests.stack import WANLIU

    key = stack.create_source("tailed")
    tail = await asyncio.create_subprocess_exec(
        *WANLIU, "tail", "tailed", "--json", "--data", str(stack.layout.root), stdout=subprocess.PIPE
    )
    try:
        assert tail.stdout is not None
        async with asyncio.timeout(30), httpx.AsyncClient(base_url=stack.url("ingest"), auth=(key, "")) as http:
            line = asyncio.ensure_future(tail.stdout.readline())
            while not line.done():  # the command needs a moment to connect; what came before it is not shown
                await http.post("/v1/track", json={"event": "Seen", "userId": "u"})
                await asyncio.wait([line], timeout=0.5)
        assert b'"Seen"' in line.result()
        assert b'"accepted"' in line.result()
    finally:
        tail.terminate()
        await tail.wait()
