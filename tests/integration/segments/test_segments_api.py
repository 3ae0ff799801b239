"""The API with its true lifespan and routes over a story's tables: what is answered, to whom, and what is refused."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from httpx import ASGITransport, AsyncClient, Response

from libs.common import auth
from libs.common.app import create_app
from libs.common.clock import FixedClock, SystemClock
from libs.common.contracts.events import EVENTS, SegmentDefined, SegmentDeleted
from libs.common.contracts.standing import Standing
from libs.common.errors import Unavailable
from libs.common.eventlog.memory import MemoryLog
from libs.common.ids import customer_text
from libs.common.settings import Settings
from services.segments import resources as segments_resources
from services.segments.resources import SegmentsResources
from services.segments.routes import router
from tests.integration.profile.world import NOON, WORKSPACE, customer, ids
from tests.integration.segments.story import BUYER, EVER_BOUGHT, Story
from tests.postgres import Database

ANNA, BEN = customer("anna"), customer("ben")
ALL = ("segments:read", "segments:write")


class Decided:
    """Where people stand: consenting, until a test says otherwise."""

    def __init__(self) -> None:
        self.consenting, self.restricted, self.away = True, False, False

    async def standings(self, subjects: Sequence[Sequence[bytes]]) -> list[Standing]:
        if self.away:
            raise Unavailable("privacy does not say who may be processed")
        assert all(subjects), "asked about nobody"
        return [Standing({"marketing": self.consenting}, self.restricted) for _ in subjects]


@dataclass
class Api:
    story: Story
    standings: Decided
    client: AsyncClient
    events: MemoryLog
    private_key: str

    async def ask(
        self,
        method: str,
        path: str,
        *,
        scopes: tuple[str, ...] = ALL,
        purposes: tuple[str, ...] = ("service", "marketing"),
        workspace: str = WORKSPACE,
        **more: Any,
    ) -> Response:
        token = auth.issue(
            self.private_key,
            subject="alice",
            workspace=workspace,
            scopes=scopes,
            purposes=purposes,
            lifetime_seconds=60,
            clock=SystemClock(),
        )
        headers = {"Authorization": f"Bearer {token}"}
        return await self.client.request(method, f"/v1{path}", headers=headers, **more)

    async def written(self) -> list[Any]:
        async with self.events.read("EVENTS_0", 0) as reader:
            return [EVENTS.decode(each.data) for each in await reader.next(max_entries=99, max_bytes=1 << 20, wait=1)]


@pytest.fixture
async def api(database: Database, tmp_path: Path) -> AsyncIterator[Api]:
    story, standings, events = Story(await database("segments")), Decided(), MemoryLog()
    key, public = Ed25519PrivateKey.generate(), tmp_path / "token.pub"
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public.write_bytes(key.public_key().public_bytes(serialization.Encoding.PEM, form))
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    settings = Settings(nats_url="nats://nowhere", database_url="nowhere://", token_public_key_file=public)

    async def open_all(_: AsyncExitStack) -> SegmentsResources:
        vault, clock = story.world.vault, FixedClock(NOON)
        return SegmentsResources(settings, story.engine, events, vault, standings, clock, lambda: "1")

    app = create_app("segments", open_all, [router])
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        client = await stack.enter_async_context(AsyncClient(transport=ASGITransport(app), base_url="http://test"))
        yield Api(story, standings, client, events, secret)


async def people(api: Api) -> None:
    """Anna and Ben bought; a segment for each purpose."""
    api.story.define("s1", EVER_BOUGHT)
    api.story.define("s2", BUYER, "marketing")
    phone, device = ids(phone="+8613912345678"), ids(device_id="d")
    api.story.did(ANNA, phone)
    api.story.did(BEN, device)
    api.story.decide(phone[0], True)
    await api.story.follow()


@pytest.mark.parametrize("state", ["withdrawn", "restricted", "privacy away"])
async def test_a_member_is_not_shown_from_the_moment_privacy_says_no_although_the_worker_lags(
    api: Api, state: str
) -> None:
    await people(api)
    asked = {"purpose": "marketing"}
    before = (await api.ask("GET", "/segments/s2/members", params=asked)).json()
    assert [each["customer_id"] for each in before["members"]] == [customer_text(ANNA)]
    mine = f"/customers/{customer_text(ANNA)}/segments"
    assert (await api.ask("GET", mine, params=asked)).json()["segments"]
    api.standings.consenting = state != "withdrawn"
    api.standings.restricted = state == "restricted"
    api.standings.away = state == "privacy away"
    for path, shown in (("/segments/s2/members", "members"), (mine, "segments")):
        answer = await api.ask("GET", path, params=asked)
        if state == "privacy away":
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        else:
            assert answer.json()[shown] == []


async def test_a_definition_is_appended_and_its_place_answered(api: Api) -> None:
    body = {"name": "Buyers", "purpose": "marketing", "definition": BUYER}
    answer = await api.ask("POST", "/segments", json=body)
    assert (answer.status_code, answer.json()) == (201, {"segment": "seg_1", "position": "0:1"})
    (entry,) = await api.written()
    assert isinstance(entry, SegmentDefined)
    assert (entry.segment, entry.name, entry.purpose, entry.actor) == ("seg_1", "Buyers", "marketing", "alice")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"definition": {"all": [{"foo": 1}]}}, "/definition/all/0: a condition"),
        ({"purpose": "fun"}, "/purpose: is one of service"),
        ({"name": ""}, "body/name"),
        ({"owner": "x"}, "body/owner"),
    ],
)
async def test_what_is_wrong_is_refused_with_the_place_and_nothing_is_written(
    api: Api, change: dict[str, Any], said: str
) -> None:
    body = {"name": "Buyers", "purpose": "marketing", "definition": BUYER, **change}
    answer = await api.ask("POST", "/segments", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(said)
    assert await api.events.end("EVENTS_0") == 0


async def test_redefining_and_deleting_need_a_segment_that_is_there(api: Api) -> None:
    await people(api)
    body = {"name": "Buyers", "purpose": "marketing", "definition": BUYER}
    assert (await api.ask("PUT", "/segments/s1", json=body)).json() == {"segment": "s1", "position": "0:1"}
    assert (await api.ask("DELETE", "/segments/s2")).json() == {"segment": "s2", "position": "0:2"}
    assert [type(each) for each in await api.written()] == [SegmentDefined, SegmentDeleted]
    for method in ("PUT", "DELETE"):
        answer = await api.ask(method, "/segments/none", json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


async def test_members_are_shown_for_the_segment_s_own_purpose_in_pages(api: Api) -> None:
    await people(api)
    first = (await api.ask("GET", "/segments/s1/members", params={"purpose": "service", "limit": 1})).json()
    assert [each["customer_id"] for each in first["members"]] == [customer_text(ANNA)]
    params = {"purpose": "service", "limit": 1, "after": first["next"]}
    second = (await api.ask("GET", "/segments/s1/members", params=params)).json()
    assert [(each["customer_id"], each["reason"]) for each in second["members"]] == [(customer_text(BEN), "event")]
    wrong = await api.ask("GET", "/segments/s1/members", params={"purpose": "marketing"})
    assert (wrong.status_code, wrong.json()["code"]) == (403, "forbidden")
    params = {"purpose": "service"}
    foreign = await api.ask("GET", "/segments/s1/members", params=params, purposes=("marketing",))
    assert foreign.status_code == 403
    assert (await api.ask("GET", "/segments/none/members", params=params)).status_code == 404
    assert (await api.ask("GET", "/segments/s1/members")).status_code == 422


async def test_a_customer_s_segments_of_a_purpose(api: Api) -> None:
    await people(api)
    path = f"/customers/{customer_text(ANNA)}/segments"
    found = (await api.ask("GET", path, params={"purpose": "marketing"})).json()
    assert [each["segment"] for each in found["segments"]] == ["s2"]
    api.story.world.merge(BEN, ANNA)
    await api.story.follow()
    merged = (await api.ask("GET", path, params={"purpose": "service"})).json()
    assert merged["customer_id"] == customer_text(BEN)
    api.story.world.erase(BEN)
    await api.story.follow()
    for gone in (ANNA, BEN):
        answer = await api.ask("GET", f"/customers/{customer_text(gone)}/segments", params={"purpose": "service"})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await api.ask("GET", "/customers/me/segments", params={"purpose": "service"})).status_code == 400


async def test_the_list_counts_members(api: Api) -> None:
    await people(api)
    found = (await api.ask("GET", "/segments")).json()["segments"]
    assert [(each["segment"], each["members"], each["backfilling"]) for each in found] == [
        ("s1", 2, False),
        ("s2", 1, False),
    ]
    assert (await api.ask("GET", "/segments/s2")).json()["definition"] == BUYER
    assert "anyOf" in str((await api.ask("GET", "/segments/schema")).json())


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [("GET", "/segments", "segments:write"), ("POST", "/segments", "segments:read"), ("DELETE", "/segments/s", "")],
)
async def test_every_door_needs_its_scope(api: Api, method: str, path: str, scope: str) -> None:
    body = {"name": "Buyers", "purpose": "marketing", "definition": BUYER}
    answer = await api.ask(method, path, scopes=(scope,) if scope else (), json=body)
    assert answer.status_code == 403


async def test_a_token_of_another_workspace_sees_nothing(api: Api) -> None:
    assert (await api.ask("GET", "/segments", workspace="other")).status_code == 403


async def test_at_least_waits_for_a_position_and_gives_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await people(api)
    monkeypatch.setattr(segments_resources, "WAIT_SECONDS", 0.1)
    assert (await api.ask("GET", "/segments", params={"at_least": "0:5"})).status_code == 200
    assert (await api.ask("GET", "/segments", params={"at_least": "0:6"})).status_code == 503
    assert (await api.ask("GET", "/segments", params={"at_least": "1:1"})).status_code == 400
    assert (await api.ask("GET", "/segments", params={"at_least": "x"})).status_code == 400
