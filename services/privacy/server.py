"""The vault's door: NATS request-reply on `vault.v1.<operation>`, shared by all processes of the queue group."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from libs.common.consumer import passes
from libs.common.contracts import vault as contract
from libs.common.errors import AppError, Unavailable
from services.privacy.vault import Vault

QUEUE_GROUP = "vault"
AT_ONCE = 8
log = structlog.get_logger()


class Operation(NamedTuple):
    """A request type and who answers it; `gated` ones wait until the vault has caught up with the log."""

    request: type
    answer: Callable[[Any], Awaitable[Any]]
    gated: bool


class VaultServer:
    """Answers requests until stopped. `must_be_open` raises Unavailable while the vault may not open."""

    def __init__(self, nats: Client, vault: Vault, must_be_open: Callable[[], None]) -> None:
        self._nats, self._must_be_open = nats, must_be_open
        self._operations = {
            "workspace": Operation(contract.WorkspaceRequest, vault.workspace, False),
            "bind": Operation(contract.BindRequest, vault.bind, True),
            "keys": Operation(contract.KeysRequest, vault.keys, True),
            "find": Operation(contract.FindRequest, vault.find, True),
            "reveal": Operation(contract.RevealRequest, vault.reveal, True),
            "day_key": Operation(contract.DayKeyRequest, vault.day_key, True),
        }
        self._room = asyncio.Semaphore(AT_ONCE)
        self._running: set[asyncio.Task[None]] = set()
        self._subscriptions: list[Subscription] = []

    async def start(self) -> None:
        """Begins to answer."""
        for name, operation in self._operations.items():
            subject = f"{contract.SUBJECT}.{name}"
            self._subscriptions.append(
                await self._nats.subscribe(subject, queue=QUEUE_GROUP, cb=self._handler(operation))
            )

    async def stop(self) -> None:
        """Takes no more requests and finishes those it has."""
        for subscription in self._subscriptions:
            await subscription.unsubscribe()
        await asyncio.gather(*self._running)

    def _handler(self, operation: Operation) -> Callable[[Msg], Awaitable[None]]:
        async def receive(message: Msg) -> None:
            await self._room.acquire()  # beyond AT_ONCE requests wait in the subscription, and then at the client
            task = asyncio.create_task(self._serve(operation, message))
            self._running.add(task)
            task.add_done_callback(self._done)

        return receive

    def _done(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._room.release()

    async def _serve(self, operation: Operation, message: Msg) -> None:
        if not message.reply:
            return
        try:
            if operation.gated:
                self._must_be_open()
            request: Any = msgspec.msgpack.decode(message.data, type=operation.request)
            await message.respond(msgspec.msgpack.encode(await operation.answer(request)))
        except Exception as error:
            code, detail = _failure(error)
            await self._nats.publish(message.reply, detail.encode(), headers={contract.ERROR_HEADER: code})


def _failure(error: Exception) -> tuple[str, str]:
    """The code and message of an error; what mends itself is `unavailable`, so that callers wait for it."""
    if isinstance(error, AppError):
        return error.code, error.detail
    if isinstance(error, msgspec.DecodeError):
        return "bad_request", "the request is not of its operation's form"
    if passes(error):
        return Unavailable.code, f"the vault's database is away ({type(error).__name__})"
    log.error("a request to the vault failed", error=type(error).__name__, detail=str(error)[:300])
    return "vault_fault", f"{type(error).__name__}: see the log of privacy"
