"""The front door with its true app and projection, on the log in memory, real PostgreSQL and a vault in memory."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common import auth
from libs.common.app import create_app
from libs.common.clock import FixedClock, SystemClock
from libs.common.contracts.body import EventBody, decode_body
from libs.common.contracts.events import EVENTS, Batch, Event, Reject, Tally
from libs.common.contracts.vault import LIVE, Bound, Identifier, Key, WorkspaceReply
from libs.common.crypto import SUITES, binding_id, body_associated
from libs.common.errors import Unavailable
from libs.common.eventlog.base import LogUnavailable, events_stream
from libs.common.eventlog.memory import MemoryLog
from libs.common.positions import Overtaken
from libs.common.projection import ProjectionConsumer
from libs.common.vault_client import HeldBinding, HeldKey
from services.ingest.front import FrontDoor
from services.ingest.pipeline import reject_associated
from services.ingest.projection import IngestProjection
from services.ingest.resources import Ingest
from services.ingest.routes import routers
from services.ingest.routes.segment import DOORS
from services.ingest.settings import IngestSettings

WORKSPACE = "default"
STREAM = events_stream(0)
NOON = 1_763_726_400_000_000  # 2025-11-21T12:00:00Z


class VaultTwin:
    """The vault's client without a vault: random pseudonyms and keys, kept in memory."""

    def __init__(self, suite: str = "intl-v1") -> None:
        self.suite = SUITES[suite]
        self.away = False
        self.suppressed_until: dict[Identifier, int] = {}
        self.asked: list[list[tuple[Identifier, ...]]] = []
        self._pseudonyms: dict[Identifier, bytes] = {}
        self._keys: dict[bytes, bytes] = {}
        self._days: dict[str, bytes] = {}

    def _there(self) -> None:
        if self.away:
            raise Unavailable("the vault did not answer")

    async def workspace(self) -> WorkspaceReply:
        self._there()
        return WorkspaceReply(WORKSPACE, 0, self.suite.name, b"k" * 32)

    async def bind(self, sets: Sequence[Sequence[Identifier]]) -> list[HeldBinding]:
        self._there()
        self.asked.append([tuple(one) for one in sets])
        return [self._bound(one) for one in sets]

    def _bound(self, identifiers: Sequence[Identifier]) -> HeldBinding:
        pseudonyms = [self._pseudonyms.setdefault(one, os.urandom(16)) for one in identifiers]
        binding = binding_id(WORKSPACE, pseudonyms)
        key = self._keys.setdefault(binding, self.suite.new_key())
        until = max((self.suppressed_until.get(one, 0) for one in identifiers), default=0)
        return HeldBinding(Bound(binding, pseudonyms, key, until), self.suite.sealer(key), 0)

    async def keys(self, bindings: Sequence[bytes]) -> dict[bytes, HeldKey]:
        self._there()
        return {one: self._held(one, self._keys[one]) for one in bindings}

    async def day_key(self, day: str) -> HeldKey:
        self._there()
        return self._held(day.encode(), self._days.setdefault(day, self.suite.new_key()))

    def _held(self, id: bytes, key: bytes) -> HeldKey:
        return HeldKey(id, Key(LIVE, key), self.suite.sealer(key), 0)

    def kind_of(self, pseudonym: bytes) -> Identifier:
        return next(one for one, found in self._pseudonyms.items() if found == pseudonym)


class FlakyLog(MemoryLog):
    """A log whose acknowledgements can get lost, or that can be gone."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.lose_answers = 0
        self.sent: list[str | None] = []
        self.tried = asyncio.Event()

    async def append(
        self, stream: str, data: bytes, *, expected_end: int | None = None, message_id: str | None = None
    ) -> int:
        self.sent.append(message_id)
        self.tried.set()
        if self.away:
            raise LogUnavailable("gone")
        position = await super().append(stream, data, expected_end=expected_end, message_id=message_id)
        if self.lose_answers:
            self.lose_answers -= 1
            raise LogUnavailable("no answer")
        return position


@dataclass
class House:
    """A running front door and what a test looks at."""

    client: httpx.AsyncClient
    ingest: Ingest
    log: FlakyLog
    vault: VaultTwin
    clock: FixedClock
    consumer: ProjectionConsumer
    private_key: str
    following: "asyncio.Task[None]"

    async def stop_following(self) -> None:
        """The projection stands still until `caught_up` is called."""
        self.following.cancel()
        with suppress(asyncio.CancelledError):
            await self.following

    async def caught_up(self) -> None:
        """The projection has applied the whole log, by itself or by us, whoever is faster."""
        while True:
            with suppress(Overtaken):
                await self.consumer.catch_up()
                return

    async def source(self, name: str = "shop", channel: str = "web") -> tuple[str, str]:
        """A new source: its id and its write key."""
        answer = await self.client.post("/v1/sources", json={"name": name, "channel": channel}, headers=self.admin)
        assert answer.status_code == 201, answer.text
        return answer.json()["source"], answer.json()["write_key"]

    def token_for(self, scopes: Sequence[str], workspace: str = WORKSPACE) -> str:
        """A token of these scopes."""
        return auth.issue(
            self.private_key,
            subject="test",
            workspace=workspace,
            scopes=scopes,
            purposes=[],
            lifetime_seconds=600,
            clock=SystemClock(),
        )

    @property
    def admin(self) -> dict[str, str]:
        """The headers of an operator."""
        return {"Authorization": f"Bearer {self.token_for(['ingest:admin'])}"}

    async def send(self, key: str, *events: Any, path: str = "/v1/batch", **envelope: Any) -> httpx.Response:
        """A batch, authorised as Segment's SDKs do."""
        body = msgspec.json.encode({"batch": list(events), **envelope})
        return await self.client.post(path, content=body, auth=httpx.BasicAuth(key, ""))

    async def batches(self) -> list[Batch]:
        """All batches of the log."""
        async with self.log.read(STREAM, 0) as reader:
            stored = await reader.next(max_entries=10_000, max_bytes=2**40, wait=0.001)
        decoded = [EVENTS.decode(entry.data) for entry in stored]
        return [entry for entry in decoded if isinstance(entry, Batch)]

    async def events(self) -> list[tuple[Event, EventBody]]:
        """All events of the log, opened."""
        return [(event, await self._opened(batch, event)) for batch in await self.batches() for event in batch.events]

    async def _opened(self, batch: Batch, event: Event) -> EventBody:
        binding = batch.bindings[event.binding].id
        held = (await self.vault.keys([binding]))[binding]
        aad = body_associated(batch.suite, batch.workspace, binding, event.id)
        return decode_body(held.sealer.open(event.body, aad))

    async def rejects(self) -> list[Reject]:
        """All refusals of the log."""
        return [reject for batch in await self.batches() for reject in batch.rejects]

    async def opened_reject(self, reject: Reject) -> bytes:
        """What quarantine holds of a refused event."""
        held = await self.vault.day_key(reject.day)
        return held.sealer.open(reject.body, reject_associated(self.vault.suite.name, WORKSPACE, reject.id))

    async def tally(self) -> dict[str, int]:
        """All tallies of the log, summed."""
        names = [name for name in Tally.__struct_fields__ if name != "source"]
        tallies = [tally for batch in await self.batches() for tally in batch.tallies]
        return {name: sum(getattr(tally, name) for tally in tallies) for name in names}

    async def identifiers(self) -> list[list[Identifier]]:
        """Whom each event points at."""
        return [
            [self.vault.kind_of(one.id) for one in batch.bindings[event.binding].pseudonyms]
            for batch in await self.batches()
            for event in batch.events
        ]


def key_pair(folder: Path) -> tuple[Path, str]:
    """A public key file, and the private key that signs tokens."""
    private = Ed25519PrivateKey.generate()
    path = folder / "public.pem"
    path.write_bytes(
        private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return path, pem.decode()


@asynccontextmanager
async def open_house(engine: AsyncEngine, folder: Path, **settings: Any) -> AsyncIterator[House]:
    """The app in its true lifespan, and its projection following the log."""
    log, vault, clock = FlakyLog(), VaultTwin(), FixedClock(NOON)
    path, private_key = key_pair(folder)
    known = IngestSettings(
        nats_url="", database_url="", token_public_key_file=path, ingest_append_seconds=0.5, **settings
    )

    async def check() -> dict[str, Any]:
        return {}

    ingest = Ingest(known, engine, log, vault, clock, check)

    async def resources(stack: AsyncExitStack) -> Ingest:
        stack.push_async_callback(ingest.close)
        return ingest

    app = create_app("ingest", resources, routers)
    consumer = ProjectionConsumer(log, STREAM, 0, engine, IngestProjection(0), EVENTS)
    transport = httpx.ASGITransport(app=FrontDoor(app, DOORS))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://door") as client,
    ):
        house = House(client, ingest, log, vault, clock, consumer, private_key, asyncio.create_task(consumer.run()))
        try:
            yield house
        finally:
            await house.stop_following()


def sha(text: str) -> bytes:
    """SHA-256."""
    return hashlib.sha256(text.encode()).digest()
