"""The vault as its clients see it: concurrent calls share requests, answers are cached and forgotten on command.

What a client holds is dropped when the vault says `Evict`, after CACHE_SECONDS, and after every reconnect
(an `Evict` may have passed meanwhile). A vault that does not answer is errors.Unavailable: wait, never go on
without it.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from libs.common.clock import SECOND, Clock
from libs.common.contracts import vault
from libs.common.contracts.vault import Bound, Identifier, Key, WorkspaceReply
from libs.common.crypto import SUITES, Sealer, Suite
from libs.common.dataloader import Loader
from libs.common.errors import AppError, NotFound, Unavailable

MAX_SETS, MAX_KEYS, MAX_FOUND = 500, 2_000, 500
CACHED_SETS, CACHED_KEYS, CACHED_FOUND = 100_000, 100_000, 20_000

R = TypeVar("R")


class VaultFault(AppError):
    """The vault refused for a reason that a new try does not mend."""

    status, code = 500, "vault_fault"


class HeldBinding:
    """A Bound, and the sealer under its key; shared by all who asked, so nobody changes it."""

    __slots__ = ("binding", "expires", "key", "pseudonyms", "sealer", "suppressed_until")

    def __init__(self, bound: Bound, sealer: Sealer, expires: int) -> None:
        self.binding = bound.binding
        self.pseudonyms = bound.pseudonyms
        self.key = bound.key
        self.suppressed_until = bound.suppressed_until
        self.sealer = sealer
        self.expires = expires


class HeldKey:
    """A Key, and the sealer under it when it is live."""

    __slots__ = ("_sealer", "expires", "id", "key", "state")

    def __init__(self, id: bytes, key: Key, sealer: Sealer | None, expires: int) -> None:
        self.id = id
        self.state = key.state
        self.key = key.key
        self._sealer = sealer
        self.expires = expires

    @property
    def sealer(self) -> Sealer:
        """Opens what was sealed under the key. Raises LookupError when there is none: look at `state` first."""
        if self._sealer is None:
            raise LookupError(f"the key is {self.state}")
        return self._sealer


class HeldPseudonym:
    """The pseudonym of an identifier; None when it was not known, which is not cached."""

    __slots__ = ("expires", "pseudonym")

    def __init__(self, pseudonym: bytes | None, expires: int) -> None:
        self.pseudonym = pseudonym
        self.expires = expires


class VaultClient:
    """One workspace's vault, over a NATS connection. Make one per process and share it."""

    def __init__(self, nc: Client, workspace: str, clock: Clock, *, timeout: float = 5.0) -> None:
        self._nc, self._name, self._clock, self._timeout = nc, workspace, clock, timeout
        self._workspace: WorkspaceReply | None = None
        self._days: dict[str, HeldKey] = {}
        self._bindings = Loader(self._bind, self._now, batch=MAX_SETS, capacity=CACHED_SETS)
        self._keys = Loader(self._load_keys, self._now, batch=MAX_KEYS, capacity=CACHED_KEYS)
        self._found = Loader(self._find, self._now, batch=MAX_FOUND, capacity=CACHED_FOUND)
        self._subscribed = False
        self._reconnects = nc.stats["reconnects"]

    async def workspace(self) -> WorkspaceReply:
        """Partition, suite and the key of event ids; asked once, they never change."""
        if self._workspace is None:
            request = vault.WorkspaceRequest(self._name)
            self._workspace = await self._ask("workspace", request, WorkspaceReply)
        return self._workspace

    async def bind(self, sets: Sequence[Sequence[Identifier]]) -> list[HeldBinding]:
        """Binding, pseudonyms and data key of each set of normalised identifiers, created where new."""
        self._notice_reconnect()
        return await self._bindings.load([tuple(identifiers) for identifiers in sets])

    async def keys(self, bindings: Sequence[bytes]) -> dict[bytes, HeldKey]:
        """The data key of each binding, or the word that it is erased or (a fault) unknown."""
        self._notice_reconnect()
        return dict(zip(bindings, await self._keys.load(bindings), strict=True))

    async def find(self, identifiers: Sequence[Identifier]) -> list[bytes | None]:
        """The pseudonyms of identifiers; None where one is not known. Creates nothing."""
        self._notice_reconnect()
        return [held.pseudonym for held in await self._found.load(identifiers)]

    async def reveal(self, pseudonyms: Sequence[bytes]) -> list[Identifier | None]:
        """The identifiers behind pseudonyms; None where erased or unknown. Never cached."""
        request = vault.RevealRequest(self._name, list(pseudonyms))
        return (await self._ask("reveal", request, vault.RevealReply)).identifiers

    async def day_key(self, day: str) -> HeldKey:
        """The key of a day's rejects (YYYY-MM-DD, UTC)."""
        self._notice_reconnect()
        held = self._days.get(day)
        if held is None or held.expires <= self._clock.now():
            reply = await self._ask("day_key", vault.DayKeyRequest(self._name, day), vault.DayKeyReply)
            suite = SUITES[(await self.workspace()).suite]
            held = self._hold(day.encode(), Key(reply.state, reply.key), suite)
            if reply.state == vault.LIVE:
                self._days[day] = held
        return held

    def forget_everything(self) -> None:
        """Empties all caches."""
        self._bindings.clear()
        self._keys.clear()
        self._found.clear()
        self._days.clear()

    def _now(self) -> int:
        return self._clock.now()

    def _expiry(self) -> int:
        return self._clock.now() + int(vault.CACHE_SECONDS * SECOND)

    def _hold(self, id: bytes, key: Key, suite: Suite) -> HeldKey:
        sealer = suite.sealer(key.key) if key.state == vault.LIVE else None
        # Only what will not change may be cached; an unknown binding may be known in a moment.
        return HeldKey(id, key, sealer, 0 if key.state == vault.UNKNOWN else self._expiry())

    async def _bind(self, sets: list[tuple[Identifier, ...]]) -> list[HeldBinding]:
        suite = SUITES[(await self.workspace()).suite]
        expires = self._expiry()
        request = vault.BindRequest(self._name, [list(identifiers) for identifiers in sets])
        reply = await self._ask("bind", request, vault.BindReply)
        return [HeldBinding(bound, suite.sealer(bound.key), expires) for bound in reply.bound]

    async def _load_keys(self, bindings: list[bytes]) -> list[HeldKey]:
        suite = SUITES[(await self.workspace()).suite]
        reply = await self._ask("keys", vault.KeysRequest(self._name, bindings), vault.KeysReply)
        return [self._hold(binding, key, suite) for binding, key in zip(bindings, reply.keys, strict=True)]

    async def _find(self, identifiers: list[Identifier]) -> list[HeldPseudonym]:
        expires = self._expiry()
        reply = await self._ask("find", vault.FindRequest(self._name, identifiers), vault.FindReply)
        return [HeldPseudonym(found, 0 if found is None else expires) for found in reply.pseudonyms]

    async def _ask(self, operation: str, request: Any, reply: type[R]) -> R:
        try:
            await self._subscribe()
            subject = f"{vault.SUBJECT}.{operation}"
            message = await self._nc.request(subject, msgspec.msgpack.encode(request), timeout=self._timeout)
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise Unavailable(f"the vault did not answer ({type(error).__name__})") from error
        code = (message.headers or {}).get(vault.ERROR_HEADER)
        if code is not None:
            raise _failure(code, message.data.decode(errors="replace"))
        return msgspec.msgpack.decode(message.data, type=reply)

    async def _subscribe(self) -> None:
        """Before the first request on this connection, so no `Evict` after its answer can be missed."""
        if not self._subscribed:
            self._subscribed = True
            await self._nc.subscribe(vault.EVICT_SUBJECT, cb=self._evict)

    async def _evict(self, message: Msg) -> None:
        evict = msgspec.msgpack.decode(message.data, type=vault.Evict)
        if evict.workspace != self._name:
            return
        bindings, pseudonyms = frozenset(evict.bindings), frozenset(evict.pseudonyms)
        self._bindings.evict(lambda held: held.binding in bindings or not pseudonyms.isdisjoint(held.pseudonyms))
        self._keys.evict(lambda held: held.id in bindings)
        self._found.evict(lambda held: held.pseudonym in pseudonyms)

    def _notice_reconnect(self) -> None:
        reconnects = self._nc.stats["reconnects"]
        if reconnects != self._reconnects:
            self._reconnects = reconnects
            self.forget_everything()


def _failure(code: str, detail: str) -> AppError:
    known = {kind.code: kind for kind in (Unavailable, NotFound)}
    return known.get(code, VaultFault)(detail)
