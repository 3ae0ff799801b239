"""privacy's two processes as they are deployed: HTTP in, log entry out, fact in, erased."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from nats.aio.client import Client

from libs.common import auth
from libs.common.clock import SystemClock
from libs.common.contracts.events import EVENTS, Erasure
from libs.common.contracts.stitched import STITCHED, Erased, Facts, Linked, Origin, Stitched
from libs.common.contracts.vault import ERASED, LIVE, Identifier
from libs.common.eventlog.jetstream import JetStreamLog, connect
from libs.common.vault_client import HeldBinding, VaultClient
from services.privacy import app, worker
from tests.nats import NatsServer
from tests.postgres import PostgresServer
from tests.waiting import eventually

PHONE = Identifier("phone", "+8613912345678")
CARD = Identifier("member_card", "M-1")


@dataclass
class Privacy:
    """The app under test and what stands around it."""

    http: httpx.AsyncClient
    log: JetStreamLog
    nats: Client
    client: VaultClient
    key: str

    def token(self, *scopes: str, workspace: str = "default") -> dict[str, str]:
        token = auth.issue(
            self.key,
            subject="officer",
            workspace=workspace,
            scopes=scopes,
            purposes=[],
            lifetime_seconds=60,
            clock=SystemClock(),
        )
        return {"Authorization": f"Bearer {token}"}

    async def erase(self, *identifiers: dict[str, str], scope: str = "privacy:write") -> httpx.Response:
        return await self.http.post("/v1/erasures", json={"identifiers": identifiers}, headers=self.token(scope))

    async def erasure(self, request: str) -> httpx.Response:
        return await self.http.get(f"/v1/erasures/{request}", headers=self.token("privacy:read"))

    async def entries(self, stream: str) -> list[tuple[int, Any]]:
        async with self.log.read(stream, 0) as reader:
            stored = await reader.next(max_entries=10, max_bytes=1 << 20, wait=1)
        return [(entry.position, EVENTS.decode(entry.data)) for entry in stored]

    async def identity_decides(self, position: int, entry: Erasure, held: HeldBinding) -> None:
        """Stands in for the identity service."""
        erased = Erased(entry.request, entry.appended_at, [b"c" * 16], [held.binding], list(held.pseudonyms))
        stitched = Stitched(
            Origin("log", position, position),
            entry.appended_at,
            [EVENTS.encode(entry)],
            [Facts(linked=[Linked(held.binding, b"c" * 16)], erased=[erased])],
        )
        await self.log.append("STITCHED_0", STITCHED.encode(stitched))


@asynccontextmanager
async def running(process: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        process.router.lifespan_context(process),
        httpx.AsyncClient(transport=httpx.ASGITransport(process), base_url="http://privacy") as http,
    ):
        yield http


async def until_ready(http: httpx.AsyncClient) -> dict[str, Any]:
    async def ready() -> bool:
        return (await http.get("/readyz")).status_code == 200

    await eventually(ready)
    return dict((await http.get("/readyz")).json())


@pytest.fixture
async def privacy(
    postgres: PostgresServer, own_nats: NatsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Privacy]:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "public.pem").write_bytes(public)
    url, rights = await postgres.fresh("privacy", "vault"), await postgres.fresh("privacy/rights", "privacy")
    environment = {
        "NATS_URL": own_nats.url,
        "DATABASE_URL": rights,
        "VAULT_DATABASE_URL": url,
        "VAULT_DIR": str(tmp_path / "vault"),
        "TOKEN_PUBLIC_KEY_FILE": str(tmp_path / "public.pem"),
    }
    for name, value in environment.items():
        monkeypatch.setenv(f"WANLIU_{name}", value)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    async with connect(own_nats.url, "test") as nats:
        log = JetStreamLog(nats)
        for stream in ("EVENTS_0", "STITCHED_0"):
            await log.ensure(stream)
        async with running(app.create()) as http:
            await until_ready(http)
            client = VaultClient(nats, "default", SystemClock())
            yield Privacy(http, log, nats, client, pem.decode())


async def test_an_erasure_from_the_request_to_the_overwritten_key(privacy: Privacy) -> None:
    (held,) = await privacy.client.bind([[PHONE, CARD]])
    accepted = await privacy.erase(
        {"kind": "phone", "value": "139 1234 5678"}, {"kind": "email", "value": "someone@example.com"}
    )
    assert accepted.status_code == 202
    request = accepted.json()["request"]
    assert accepted.json()["position"] == 1
    ((position, entry),) = await privacy.entries("EVENTS_0")
    assert isinstance(entry, Erasure)
    assert (entry.workspace, entry.request) == ("default", request)
    assert [seed.id for seed in entry.seeds] == [held.pseudonyms[0]]
    assert (await privacy.erasure(request)).json()["status"] == "pending"

    async with running(worker.create()) as http:
        await privacy.identity_decides(position, entry, held)

        async def erased() -> bool:
            return bool((await privacy.erasure(request)).json()["status"] == "erased")

        await eventually(erased)
        report = (await until_ready(http))["consumers"]["vault:0"]
        assert (report["position"], report["lag"]) == (1, 0)
    done = (await privacy.erasure(request)).json()
    assert (done["bindings"], done["identifiers"]) == (1, 2)
    assert done["erased_at"].endswith("Z")
    assert (await privacy.client.keys([held.binding]))[held.binding].state == ERASED
    assert (await privacy.erase({"kind": "phone", "value": "13912345678"})).status_code == 404


async def test_after_a_restart_the_app_is_closed_until_the_worker_has_applied_the_log(privacy: Privacy) -> None:
    (held,) = await privacy.client.bind([[PHONE]])
    request = (await privacy.erase({"kind": "phone", "value": PHONE.value})).json()["request"]
    ((position, entry),) = await privacy.entries("EVENTS_0")
    await privacy.identity_decides(position, entry, held)
    async with running(app.create()) as restarted:
        closed = await restarted.get("/readyz")
        assert closed.status_code == 503
        assert "the vault is closed" in closed.json()["detail"]
        body = {"identifiers": [{"kind": "phone", "value": PHONE.value}]}
        refused = await restarted.post("/v1/erasures", json=body, headers=privacy.token("privacy:write"))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        async with running(worker.create()):
            assert (await until_ready(restarted))["vault"] == "open"

            async def erased() -> bool:
                return bool((await privacy.erasure(request)).json()["status"] == "erased")

            await eventually(erased)


async def test_a_worker_whose_vault_is_not_the_logs_says_so_and_stops(privacy: Privacy) -> None:
    entry = Erasure("default", 1, "r", [])
    facts = Facts(linked=[Linked(b"?" * 16, b"c" * 16)])
    await privacy.log.append(
        "STITCHED_0", STITCHED.encode(Stitched(Origin("log", 1, 1), 1, [EVENTS.encode(entry)], [facts]))
    )
    async with running(worker.create()) as http:

        async def stopped() -> bool:
            return "VaultBehindLog" in (await http.get("/readyz")).text

        await eventually(stopped)
        answer = await http.get("/readyz")
        assert answer.status_code == 503
        assert "restore the newest copy" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("identifiers", "status", "says"),
    [
        ([{"kind": "phone", "value": "13900000001"}], 404, "none of these identifiers is known"),
        ([{"kind": "shoe_size", "value": "42"}], 400, "no kind of identifier"),
        ([{"kind": "phone", "value": "secret-words"}], 400, "the value given as phone is not one"),
        ([], 422, "identifiers"),
        ([{"kind": "phone", "value": ""}], 422, "value"),
        ([{"kind": "phone", "value": "1", "name": "secret-words"}], 422, "name"),
    ],
)
async def test_requests_that_make_no_sense_are_refused_without_repeating_values(
    privacy: Privacy, identifiers: list[dict[str, str]], status: int, says: str
) -> None:
    answer = await privacy.erase(*identifiers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in answer.json()["detail"]
    assert "secret-words" not in answer.text
    assert await privacy.log.end("EVENTS_0") == 0


async def test_scopes_are_required_and_workspaces_apart(privacy: Privacy) -> None:
    assert (await privacy.erase({"kind": "phone", "value": "1"}, scope="privacy:read")).status_code == 403
    assert (await privacy.http.post("/v1/erasures", json={})).status_code == 401
    assert (await privacy.erasure("no-such-request")).status_code == 404
    (held,) = await privacy.client.bind([[PHONE]])
    request = (await privacy.erase({"kind": "phone", "value": PHONE.value})).json()["request"]
    foreign = privacy.token("privacy:read", workspace="other")
    assert (await privacy.http.get(f"/v1/erasures/{request}", headers=foreign)).status_code == 404
    assert (await privacy.client.keys([held.binding]))[held.binding].state == LIVE
