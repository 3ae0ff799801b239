"""The log on NATS JetStream.

The broker stores, this module distrusts: a reader checks that every entry is the one after the last and
re-reads when it is not; an append is a plain request whose PubAck comes after the broker has fsynced
(`sync_interval: always`, see libs/devstack and deploy/).
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError
from nats.js import JetStreamContext, api
from nats.js.errors import NoStreamResponseError, NotFoundError

from libs.common.eventlog.base import LogError, LogFull, LogUnavailable, Reader, WrongExpectation
from libs.common.eventlog.jetstream_reader import JetStreamReader

OLDEST_SERVER = (2, 14)
LOG_ID = "wanliu_log_id"
DUPLICATE_WINDOW_SECONDS = 120
_WRONG_LAST_SEQUENCE = 10071
_AWAY = (NatsError, NoStreamResponseError, TimeoutError, OSError)


@asynccontextmanager
async def connect(url: str, name: str, *, patience: float = 5.0) -> AsyncIterator[Client]:
    """A connection that reconnects for ever. Raises LogUnavailable when none comes about in `patience` seconds.

    Replies come to an inbox below the user's name, so that the broker can keep one service from reading
    what another one is answered (the vault answers with keys).
    """
    client = Client()
    try:
        # nats-py itself would try the first connection for ever too.
        async with asyncio.timeout(patience):
            await client.connect(
                url,
                name=name,
                connect_timeout=5,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.2,  # type: ignore[arg-type]  # any number works: it is slept
                ping_interval=5,
                max_outstanding_pings=2,
                allow_reconnect=True,
                error_cb=_note,
                inbox_prefix=inbox_of(urlsplit(url).username),
            )
        found = client.connected_server_version
        if (found.major, found.minor) < OLDEST_SERVER:
            raise LogError(f"nats-server {found} is too old: at least 2.14 is needed to keep what it acknowledges")
    except _AWAY as error:
        await client.close()
        raise LogUnavailable(f"no NATS server answers ({type(error).__name__})") from error
    except BaseException:
        await client.close()
        raise
    try:
        yield client
    finally:
        await client.close()


def inbox_of(user: str | None) -> str:
    """The subject below which a user's replies arrive."""
    return f"_INBOX.{user}" if user else "_INBOX"


async def _note(error: Exception) -> None:
    """nats-py reports lost connections here; callers see their own failed requests as LogUnavailable."""
    structlog.get_logger().warning("nats", error=type(error).__name__)


def subject_of(stream: str) -> str:
    """`EVENTS_0` is written to on `events.0`."""
    family, _, partition = stream.rpartition("_")
    return f"{family.lower()}.{partition}"


class JetStreamLog:
    """EventLog on a connection made by `connect`."""

    def __init__(self, client: Client, *, replicas: int = 1, timeout: float = 5.0) -> None:
        self._client = client
        self._replicas = replicas
        self._timeout = timeout
        self._jetstream: JetStreamContext = client.jetstream(timeout=timeout)

    async def ensure(self, stream: str) -> None:
        """Creates the stream if it does not exist; needs the operator's permissions."""
        try:
            await self._jetstream.stream_info(stream)
            return
        except NotFoundError:
            pass
        except _AWAY as error:
            raise LogUnavailable(f"the log did not answer about {stream}") from error
        await self._jetstream.add_stream(
            api.StreamConfig(
                name=stream,
                subjects=[subject_of(stream)],
                storage=api.StorageType.FILE,
                discard=api.DiscardPolicy.NEW,
                num_replicas=self._replicas,
                duplicate_window=DUPLICATE_WINDOW_SECONDS,
                metadata={LOG_ID: secrets.token_hex(16)},
            )
        )

    async def _info(self, stream: str) -> api.StreamInfo:
        try:
            return await self._jetstream.stream_info(stream)
        except NotFoundError:
            raise LogError(f"stream {stream} does not exist: `wanliu up` creates it") from None
        except _AWAY as error:
            raise LogUnavailable(f"the log did not answer about {stream}") from error

    async def log_id(self, stream: str) -> str:
        """The id that `ensure` gave the stream."""
        found = (await self._info(stream)).config.metadata or {}
        if LOG_ID not in found:
            raise LogError(f"stream {stream} was not created by wanliu: it has no {LOG_ID}")
        return found[LOG_ID]

    async def end(self, stream: str) -> int:
        """The last position."""
        return (await self._info(stream)).state.last_seq

    async def append(
        self, stream: str, data: bytes, *, expected_end: int | None = None, message_id: str | None = None
    ) -> int:
        """Appends; see EventLog. Never `publish_async`: its future stays open when the broker refuses."""
        headers: dict[str, Any] = {}
        if expected_end is not None:
            headers["Nats-Expected-Last-Sequence"] = str(expected_end)
        if message_id is not None:
            headers["Nats-Msg-Id"] = message_id
        try:
            reply = await self._client.request(subject_of(stream), data, timeout=self._timeout, headers=headers or None)
        except MaxPayloadError:
            raise LogFull(f"the entry has {len(data)} bytes, more than the broker takes") from None
        except _AWAY as error:
            raise LogUnavailable(f"the log did not acknowledge the entry ({type(error).__name__})") from error
        answer = json.loads(reply.data)
        if "error" in answer:
            raise _refusal(stream, answer["error"])
        return int(answer["seq"])

    @asynccontextmanager
    async def read(self, stream: str, after: int) -> AsyncIterator[Reader]:
        """A reader after a position; its throw-away consumer is deleted at exit."""
        reader = JetStreamReader(self._client, self._jetstream, stream, after)
        try:
            yield reader
        finally:
            await reader.close()


def _refusal(stream: str, error: dict[str, Any]) -> LogError:
    description = error.get("description", "no reason given")
    if error.get("err_code") == _WRONG_LAST_SEQUENCE:
        return WrongExpectation(f"{stream}: {description}")
    if error.get("code") in (400, 503):
        return LogFull(f"{stream} refused the entry: {description}")
    return LogUnavailable(f"{stream}: {description}")
