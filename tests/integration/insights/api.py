"""The insights API with its true lifespan and routes, over a history that a test holds open."""

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
from libs.common.clock import SystemClock
from libs.common.replay import Replayed
from libs.common.worker import Consumers
from services.insights import checking
from services.insights.resources import InsightsResources
from services.insights.routes import router
from services.insights.settings import InsightsSettings
from tests.integration.insights.history import History
from tests.integration.profile.world import WORKSPACE

SPAN = {"from": "2023-11-01", "to": "2023-11-30"}


@dataclass
class Api:
    """Asks as somebody with scopes, for a purpose."""

    client: AsyncClient
    private_key: str
    settings: InsightsSettings
    consumers: Consumers

    async def call(
        self,
        method: str,
        path: str,
        scopes: tuple[str, ...] = ("insights:read",),
        purposes: tuple[str, ...] = ("service",),
        workspace: str = WORKSPACE,
        **query: str,
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
        return await self.client.request(method, path, headers=headers, params=query)

    async def get(self, path: str, **query: str) -> Any:
        answer = await self.call("GET", path, **{**SPAN, **query})  # type: ignore[arg-type]
        assert answer.status_code == 200, answer.text
        return answer.json()


@asynccontextmanager
async def open_api(history: History, directory: Path, **told: Any) -> AsyncIterator[Api]:
    """Runs the app's lifespan."""
    key, public = Ed25519PrivateKey.generate(), directory / "token.pub"
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    settings = InsightsSettings(
        nats_url="nats://nowhere",
        database_url="postgresql+asyncpg://nowhere",
        token_public_key_file=public,
        insights_dir=directory,
        **told,
    )
    consumers = Consumers(history.log, [history.consumer()])

    async def check() -> dict[str, Any]:
        return {}

    async def where() -> int:
        return 0

    async def replay() -> Replayed:
        url = history.database.url.render_as_string(hide_password=False)
        return await checking.rebuild(history.engine, history.database, url, history.log, history.world.vault, 1)

    async def opened(_: AsyncExitStack) -> InsightsResources:
        return InsightsResources(settings, history.engine, history.database, consumers, check, where, replay)

    app = create_app("insights", opened, [router])
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        client = await stack.enter_async_context(AsyncClient(transport=ASGITransport(app), base_url="http://test"))
        yield Api(client, private, settings, consumers)
