"""The profile API with its true lifespan and routes, over a world's tables; the vault is the world's."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from httpx import ASGITransport, AsyncClient, Response

from libs.common import auth
from libs.common.app import create_app
from libs.common.clock import FixedClock, SystemClock
from libs.common.contracts.events import EVENTS, Revealed
from libs.common.db import open_pool
from libs.common.eventlog.base import events_stream
from libs.common.eventlog.memory import MemoryLog
from libs.common.ids import customer_text
from services.profile.resources import ProfileResources
from services.profile.routes import router
from services.profile.settings import ProfileSettings
from tests.integration.profile.tables import Tables
from tests.integration.profile.world import NOON, WORKSPACE, World

READER, REVEALER = ("profiles:read",), ("profiles:read", "personal:reveal")


@dataclass
class Api:
    """Asks as somebody with scopes, for a purpose."""

    tables: Tables
    client: AsyncClient
    events_log: MemoryLog
    private_key: str
    opened: ProfileResources

    @property
    def world(self) -> World:
        return self.tables.world

    def headers(self, scopes: tuple[str, ...], purposes: tuple[str, ...], workspace: str = WORKSPACE) -> dict[str, str]:
        token = auth.issue(
            self.private_key,
            subject="alice",
            workspace=workspace,
            scopes=scopes,
            purposes=purposes,
            lifetime_seconds=60,
            clock=SystemClock(),
        )
        return {"Authorization": f"Bearer {token}"}

    async def get(
        self, path: str, scopes: tuple[str, ...] = READER, purpose: str = "service", **query: str
    ) -> Response:
        headers = self.headers(scopes, ("service", "marketing"))
        return await self.client.get(path, headers=headers, params={"purpose": purpose, **query})

    async def post(self, path: str, body: Any, scopes: tuple[str, ...] = READER, **query: str) -> Response:
        headers = self.headers(scopes, ("service", "marketing"))
        return await self.client.post(path, headers=headers, json=body, params={"purpose": "service", **query})

    async def profile(self, customer: bytes, scopes: tuple[str, ...] = READER, **query: str) -> Any:
        answer = await self.get(f"/v1/profiles/{customer_text(customer)}", scopes, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def audit(self) -> list[Revealed]:
        """The audit entries in EVENTS."""
        stream = events_stream(0)
        if not await self.events_log.end(stream):
            return []
        async with self.events_log.read(stream, 0) as reader:
            stored = await reader.next(max_entries=100, max_bytes=1 << 20, wait=1)
        return [EVENTS.decode(entry.data) for entry in stored]


@asynccontextmanager
async def open_api(tables: Tables, directory: Path) -> AsyncIterator[Api]:
    """Runs the app's lifespan."""
    key = Ed25519PrivateKey.generate()
    public = directory / "token.pub"
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    settings = ProfileSettings(
        nats_url="nats://nowhere",
        database_url="postgresql+asyncpg://nowhere",
        token_public_key_file=public,
        profile_wait_seconds=0.3,
        profile_as_of_events=50,
    )
    events_log = MemoryLog()

    async def check() -> dict[str, Any]:
        return {}

    async def open_resources(stack: AsyncExitStack) -> ProfileResources:
        url = tables.engine.url.render_as_string(hide_password=False)
        pool = await stack.enter_async_context(open_pool(url, "profile"))
        world = tables.world
        return ProfileResources(settings, pool, events_log, world.vault, world.standings, FixedClock(NOON), check)

    app = create_app("profile", open_resources, [router])
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        client = await stack.enter_async_context(AsyncClient(transport=ASGITransport(app), base_url="http://test"))
        yield Api(tables, client, events_log, private, app.state.resources)
