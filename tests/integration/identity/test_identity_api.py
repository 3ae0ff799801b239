"""Identity's API over real tables, with real tokens."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from httpx import ASGITransport, AsyncClient
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common import auth
from libs.common.app import create_app
from libs.common.clock import SystemClock
from libs.common.contracts.events import EVENTS, EventsEntry
from libs.common.eventlog.memory import MemoryLog
from libs.common.ids import customer_text
from libs.common.processor import ProcessorConsumer
from services.identity.processor import Identity
from services.identity.routes import router
from tests.postgres import Database
from tests.unit.identity.people import Partition, binding, name_id


@dataclass
class Opened:
    """As libs.common.resources.Opened, without a broker."""

    settings: Any
    engine: AsyncEngine

    async def ready(self) -> dict[str, Any]:
        return {}


class Api:
    """The API over what was stitched."""

    def __init__(self, client: AsyncClient, private_key: str, engine: AsyncEngine) -> None:
        self.client, self.people, self.log, self.engine = client, Partition(), MemoryLog(), engine
        self._private_key, self._taken = private_key, 0

    def token(self, *scopes: str, workspace: str = "w") -> dict[str, str]:
        issued = auth.issue(
            self._private_key,
            subject="test",
            workspace=workspace,
            scopes=scopes,
            purposes=[],
            lifetime_seconds=60,
            clock=SystemClock(),
        )
        return {"Authorization": f"Bearer {issued}"}

    async def get(self, path: str, **token: str) -> Any:
        return await self.client.get(path, headers=self.token("identity:read", **token))

    async def stitch(self) -> None:
        """Brings the tables to what `people` has taken, and `people` to the log's id."""
        self.people.state.log_id = await self.log.log_id("EVENTS_0")
        entries: list[EventsEntry] = [entry for _, entry, _ in self.people.history]
        for entry in entries[self._taken :]:
            await self.log.append("EVENTS_0", EVENTS.encode(entry))
        self._taken = len(entries)
        await ProcessorConsumer(self.log, 0, self.engine, Identity(0), SystemClock()).catch_up()


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    key = Ed25519PrivateKey.generate()
    public = tmp_path / "token.pub"
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    engine = await database("identity")

    async def open_resources(stack: AsyncExitStack) -> Opened:
        return Opened(SimpleNamespace(token_public_key_file=public), engine)

    app = create_app("identity", open_resources, [router])
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        client = await stack.enter_async_context(AsyncClient(transport=ASGITransport(app), base_url="http://test"))
        found = Api(client, private, engine)
        found.people.state.log_id = await found.log.log_id("EVENTS_0")
        yield found


async def test_a_customer_tells_its_bindings_kinds_and_the_customers_that_ended_in_it(api: Api) -> None:
    api.people.send("a1")
    api.people.send("u1 e1")
    older, younger = api.people.customer("a1"), api.people.customer("u1")
    api.people.send("u1 a1")
    await api.stitch()
    assert older is not None
    assert younger is not None
    answer = await api.get(f"/v1/customers/{customer_text(older)}")
    assert answer.status_code == 200
    assert answer.json() == {
        "customer_id": customer_text(older),
        "pseudonyms": {"anonymous_id": 1, "email": 1, "user_id": 1},
        "binding_count": 3,
        "bindings": [
            {
                "binding": binding(names).id.hex(),
                "pseudonyms": sorted(name_id(each).hex() for each in names.split()),
                "first_position": position,
            }
            for position, names in enumerate(["a1", "u1 e1", "u1 a1"], 1)
        ],
        "merged_from": [{"customer_id": customer_text(younger), "binding": binding("u1 a1").id.hex(), "position": 3}],
    }


async def test_the_id_of_a_merged_customer_answers_with_the_one_it_became(api: Api) -> None:
    api.people.send("a1")
    api.people.send("u1")
    younger = api.people.customer("u1")
    api.people.send("u1 a1")
    await api.stitch()
    assert younger is not None
    answer = await api.get(f"/v1/customers/{customer_text(younger)}")
    assert answer.json()["customer_id"] == customer_text(api.people.customer("a1") or b"")


async def test_an_erased_customer_is_not_found(api: Api) -> None:
    api.people.send("u1")
    customer = customer_text(api.people.customer("u1") or b"")
    api.people.erase("u1")
    await api.stitch()
    answer = await api.get(f"/v1/customers/{customer}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_customer_of_another_workspace_is_not_found(api: Api) -> None:
    api.people.send("u1")
    customer = customer_text(api.people.customer("u1") or b"")
    await api.stitch()
    assert (await api.get(f"/v1/customers/{customer}", workspace="w")).status_code == 200
    assert (await api.get(f"/v1/customers/{customer}", workspace="other")).status_code == 404


async def test_what_is_no_customer_id_is_told_so(api: Api) -> None:
    answer = await api.get("/v1/customers/somebody")
    assert answer.status_code == 400
    assert "32 hex digits" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/v1/customers/cus_00", "/v1/refusals", "/v1/accounting"])
async def test_every_answer_needs_the_scope(api: Api, path: str) -> None:
    assert (await api.client.get(path)).status_code == 401
    assert (await api.client.get(path, headers=api.token("profiles:read"))).status_code == 403


async def test_refusals_tell_the_rule_what_was_held_and_between_whom(api: Api) -> None:
    api.people.send("u1 a1", "u2")
    api.people.send("u2 a1")
    await api.stitch()
    first, second = (customer_text(api.people.customer(name) or b"") for name in ("u1", "u2"))
    assert (await api.get("/v1/refusals")).json() == {
        "refusals": [
            {
                "position": 2,
                "binding": binding("u2 a1").id.hex(),
                "rule": "user_id limit 1",
                "held": [{"kind": "anonymous_id", "pseudonym": name_id("a1").hex()}],
                "customers": [second, first],
            }
        ],
        "next": None,
    }
    assert (await api.get("/v1/refusals", workspace="other")).json()["refusals"] == []


async def test_pages_of_refusals_follow_each_other_without_gap_or_overlap(api: Api) -> None:
    api.people.send("u0 a0", *(f"u{n}" for n in range(1, 10)))
    for n in range(1, 10, 3):
        api.people.send(*(f"u{k} a0" for k in range(n, n + 3)))
    await api.stitch()
    found, after = [], 0
    while after is not None:
        page = (await api.get(f"/v1/refusals?after={after}&limit=2")).json()
        found += [each["binding"] for each in page["refusals"]]
        after = page["next"]
    assert sorted(found) == sorted(binding(f"u{n} a0").id.hex() for n in range(1, 10))


async def test_accounting_tells_what_became_of_every_sources_events(api: Api) -> None:
    api.people.send("u1", "u1", "u1", ids=["e", "f", "e"], source="web")
    api.people.send("u1", ids=["f"], source="app")
    api.people.erase("u1")
    api.people.send("u1", source="app")
    await api.stitch()
    assert (await api.get("/v1/accounting")).json() == {
        "positions": {"0": 4},
        "sources": [
            {"source": "app", "fresh": 0, "duplicate": 1, "suppressed": 1},
            {"source": "web", "fresh": 2, "duplicate": 1, "suppressed": 0},
        ],
    }
