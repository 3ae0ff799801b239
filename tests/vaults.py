"""A real vault for tests: PostgreSQL, key files in a temporary directory, a clock that the test moves."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.clock import FixedClock
from libs.common.contracts.events import EVENTS, Batch, Erasure, Pseudonym
from libs.common.contracts.stitched import STITCHED, Erased, Facts, Linked, Origin, Stitched
from libs.common.contracts.vault import (
    BindRequest,
    Bound,
    Evict,
    FindRequest,
    Identifier,
    Key,
    KeysRequest,
    RevealRequest,
)
from libs.common.crypto import SUITES
from libs.common.eventlog.memory import MemoryLog
from libs.common.projection import ProjectionConsumer
from services.privacy.forgetting import Forgetting
from services.privacy.keyring import Keyring
from services.privacy.vault import Vault

WORKSPACE = "shop"
NOON = 1_790_000_000_000_000
STREAM = "STITCHED_0"


def phone(number: int) -> Identifier:
    """The phone of person `number`."""
    return Identifier("phone", f"+8613{number:09d}")


def user(number: int) -> Identifier:
    """The user id of person `number`."""
    return Identifier("user_id", f"user-{number}")


@dataclass
class VaultProcess:
    """A vault and the worker that forgets, as one process holds them."""

    engine: AsyncEngine
    directory: Path
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))
    log: MemoryLog = field(default_factory=MemoryLog)
    bucket_rows: int = 1_000
    evicted: list[Evict] = field(default_factory=list)
    ring: Keyring = field(init=False)
    vault: Vault = field(init=False)
    requests: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.ring = Keyring(self.engine, self.directory, self.clock)
        self.vault = Vault(self.ring, bucket_rows=self.bucket_rows)

    async def create(self, suite: str = "intl-v1") -> "VaultProcess":
        """With its workspace."""
        await self.ring.ensure(WORKSPACE, 0, SUITES[suite])
        return self

    def another(self) -> "VaultProcess":
        """Another process on the same vault, or the same one after a restart."""
        twin = VaultProcess(self.engine, self.directory, self.clock, self.log, self.bucket_rows, self.evicted)
        twin.requests = self.requests
        return twin

    async def bind(self, *sets: Sequence[Identifier]) -> list[Bound]:
        """What ingest asks."""
        return (await self.vault.bind(BindRequest(WORKSPACE, [list(identifiers) for identifiers in sets]))).bound

    async def keys(self, *bindings: bytes) -> list[Key]:
        """What a reader asks."""
        return (await self.vault.keys(KeysRequest(WORKSPACE, list(bindings)))).keys

    async def find(self, *identifiers: Identifier) -> list[bytes | None]:
        """What the profile API asks."""
        return (await self.vault.find(FindRequest(WORKSPACE, list(identifiers)))).pseudonyms

    async def reveal(self, *pseudonyms: bytes) -> list[Identifier | None]:
        """What a privileged reader asks."""
        return (await self.vault.reveal(RevealRequest(WORKSPACE, list(pseudonyms)))).identifiers

    @property
    def worker(self) -> ProjectionConsumer:
        """Carries out what the log says."""

        async def publish(evict: Evict) -> None:
            self.evicted.append(evict)

        projection = Forgetting(self.ring, publish)
        return ProjectionConsumer(self.log, STREAM, 0, self.engine, projection, STITCHED, projection.settle)

    async def say_linked(self, *bindings: bytes) -> None:
        """Identity linked bindings."""
        linked = [Linked(binding, b"c" * 16) for binding in bindings]
        await self._say(Batch(WORKSPACE, self.clock.now(), "intl-v1", [], [], [], [], []), Facts(linked=linked))

    async def say_erased(self, *bound: Bound) -> str:
        """Identity decided to forget the person behind these bindings."""
        request = f"request-{next(self.requests)}"
        pseudonyms = sorted({pseudonym for each in bound for pseudonym in each.pseudonyms})
        bindings = sorted({each.binding for each in bound})
        seeds = [Pseudonym("phone", pseudonym) for pseudonym in pseudonyms[:1]]
        erased = Erased(request, self.clock.now(), [b"c" * 16], bindings, pseudonyms)
        await self._say(Erasure(WORKSPACE, self.clock.now(), request, seeds), Facts(erased=[erased]))
        return request

    async def _say(self, entry: Batch | Erasure, facts: Facts) -> None:
        position = await self.log.end(STREAM) + 1
        origin = Origin("log", position, position)
        stitched = Stitched(origin, self.clock.now(), [EVENTS.encode(entry)], [facts])
        await self.log.append(STREAM, STITCHED.encode(stitched))

    async def erase(self, *bound: Bound) -> str:
        """From the fact to the overwritten key."""
        request = await self.say_erased(*bound)
        await self.worker.catch_up()
        return request
