"""What every door shares after parsing: correct time, normalise, scan, pseudonymise, encrypt, append; then answer."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from libs.common.clock import Clock, day_of
from libs.common.contracts.events import Binding, Pseudonym
from libs.common.contracts.vault import LIVE, Identifier, WorkspaceReply
from libs.common.crypto import SUITES, associated, body_associated
from libs.common.errors import Unavailable
from libs.common.vault_client import HeldBinding, HeldKey
from services.ingest import metrics, timestamps
from services.ingest.commit import Committer
from services.ingest.entries import Accepted, Piece, Rejected, Suppressed
from services.ingest.incoming import Incoming, Item, Refusal
from services.ingest.normalise import Normal, normalise
from services.ingest.refusals import Refused

KEPT_BYTES = 32 * 1024
"""What quarantine keeps of a refused event."""
_BREATH = 200  # events between two looks at other requests
_ID_BYTES = 16


class Source(NamedTuple):
    """A channel system that may push."""

    id: str
    channel: str


class Vault(Protocol):
    """What ingest asks of libs.common.vault_client.VaultClient; tests have a twin in memory."""

    async def workspace(self) -> WorkspaceReply: ...

    async def bind(self, sets: Sequence[Sequence[Identifier]]) -> list[HeldBinding]: ...

    async def day_key(self, day: str) -> HeldKey: ...

    async def keys(self, bindings: Sequence[bytes]) -> dict[bytes, HeldKey]: ...


class Pipeline:
    """The way of one workspace's events from a door to the log."""

    def __init__(self, vault: Vault, committer: Committer, clock: Clock) -> None:
        self._vault, self._committer, self._clock = vault, committer, clock

    async def accept(self, source: Source, items: Sequence[Item], received_at: int) -> None:
        """Returns when every item is durable: stored, or kept as refused, or counted as suppressed.

        Raises Unavailable when the vault or the log is away; then nothing is acknowledged.
        """
        workspace = await self._vault.workspace()
        prepared = await _prepared(items, source.channel)
        sealing = Sealing(workspace, source.id, received_at)
        normals = [normal for _, normal in prepared if isinstance(normal, Normal)]
        bindings = await self._bindings(normals)
        if len(normals) < len(prepared):
            sealing.day = await self._day_key(day_of(received_at))
        pieces = [
            sealing.accepted(item, normal, bindings[normal.identifiers])
            if isinstance(normal, Normal)
            else sealing.rejected(item, normal)
            for item, normal in prepared
        ]
        await self._committer.submit(source.id, pieces)
        _count(prepared)

    async def _bindings(self, normals: Sequence[Normal]) -> dict[tuple[Identifier, ...], "Bond"]:
        """One question for each distinct set of identifiers."""
        if not normals:
            return {}
        distinct = list(dict.fromkeys(normal.identifiers for normal in normals))
        return {one: bond(one, held) for one, held in zip(distinct, await self._vault.bind(distinct), strict=True)}

    async def _day_key(self, day: str) -> HeldKey:
        key = await self._vault.day_key(day)
        if key.state != LIVE:
            raise Unavailable(f"the vault has no key for rejects of {day}")
        return key


async def _prepared(items: Sequence[Item], channel: str) -> list[tuple[Item, Normal | Refused]]:
    prepared: list[tuple[Item, Normal | Refused]] = []
    for index, item in enumerate(items, 1):
        prepared.append((item, _normal(item, channel)))
        if index % _BREATH == 0:
            await asyncio.sleep(0)
    return prepared


def _normal(item: Item, channel: str) -> Normal | Refused:
    if isinstance(item, Refusal):
        return item.why
    try:
        return normalise(item, channel)
    except Refused as why:
        return why


class Bond(NamedTuple):
    """A set of identifiers as the log shows it, and the key that its events are sealed under."""

    binding: Binding
    held: HeldBinding


def bond(identifiers: Sequence[Identifier], held: HeldBinding) -> Bond:
    """Each identifier's kind with its pseudonym."""
    pairs = zip(identifiers, held.pseudonyms, strict=True)
    return Bond(Binding(held.binding, [Pseudonym(one.kind, pseudonym) for one, pseudonym in pairs]), held)


class Sealing:
    """Ids, times and ciphertexts of one request's events."""

    def __init__(self, workspace: WorkspaceReply, source: str, received_at: int) -> None:
        self._workspace, self._suite = workspace, SUITES[workspace.suite]
        self._salt = source.encode() + b"\0"
        self._received_at = received_at
        self.day: HeldKey | None = None

    def accepted(self, item: Item, normal: Normal, bond: Bond) -> Piece:
        """The event under its binding's key, or the mere count of it when its person was erased later."""
        assert isinstance(item, Incoming)  # noqa: S101 - narrows; a Refusal has no Normal
        occurred_at = timestamps.occurred(item.original, item.sent, self._received_at)
        held = bond.held
        if held.suppressed_until and occurred_at <= held.suppressed_until:
            return Suppressed(self._received_at)
        id = self._id(item.identity)
        aad = body_associated(self._suite.name, self._workspace.workspace, held.binding, id)
        return Accepted(id, bond.binding, occurred_at, self._received_at, held.sealer.seal(normal.body, aad))

    def rejected(self, item: Item, why: Refused) -> Rejected:
        """The refusal in clear, the event's first bytes sealed."""
        if self.day is None:
            raise Unavailable("the vault gave no key for rejects")
        id = self._id(item.identity)
        aad = reject_associated(self._suite.name, self._workspace.workspace, id)
        body = self.day.sealer.seal(item.raw[:KEPT_BYTES], aad)
        return Rejected(id, why.reason, why.pointer, why.detail, self._received_at, self.day.id.decode(), body)

    def _id(self, identity: bytes) -> bytes:
        """Keyed, so that an id in the log does not reveal a messageId; the same for every try."""
        return self._suite.keyed_hash(self._workspace.event_id_key, self._salt + identity)[:_ID_BYTES]


def reject_associated(suite: str, workspace: str, id: bytes) -> bytes:
    """Associated data of a refused event's sealed bytes."""
    return associated(suite, workspace, "reject", id)


def _count(prepared: Sequence[tuple[Item, Normal | Refused]]) -> None:
    for _, outcome in prepared:
        if isinstance(outcome, Refused):
            metrics.REJECTS.labels(outcome.reason).inc()
        elif outcome.blanked:
            metrics.blanked(outcome.blanked)
