"""Reading a JetStream stream without trusting the broker's cursor.

A throw-away pull consumer (no acks, in memory) starts after our own position. Every entry must be the next
one; anything else discards the consumer and reads again from our position. Only when the broker itself
says that the next entry does not exist although later ones do is it a hole in the log: LogGap.
"""

import json
from collections.abc import Sequence
from time import monotonic

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js import JetStreamContext, api
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError

from libs.common.eventlog.base import LogGap, LogUnavailable, Stored

HEARTBEAT_SECONDS = 1.0
SILENCE_SECONDS = 2.5
PULL_SECONDS = 30.0
PULL_ENTRIES = 32
_NANO = 1_000_000_000
_AWAY = (NatsError, APIError, NoStreamResponseError, TimeoutError, OSError)


class JetStreamReader:
    """See eventlog.base.Reader. Not for use by two tasks at once."""

    def __init__(self, client: Client, jetstream: JetStreamContext, stream: str, after: int) -> None:
        self._client, self._jetstream, self._stream = client, jetstream, stream
        self._position = after
        self._inbox: Subscription | None = None
        self._consumer = ""
        self._requested = 0
        self._heard = 0.0
        self._held: Stored | None = None

    async def next(self, *, max_entries: int, max_bytes: int, wait: float) -> Sequence[Stored]:
        """The next entries, dense; empty after `wait` seconds without any. Raises LogGap, LogUnavailable."""
        taken: list[Stored] = []
        size = 0
        while len(taken) < max_entries:
            entry = self._held or await self._one(wait if not taken else 0.0)
            self._held = None
            if entry is None:
                break
            size += len(entry.data)
            if taken and size > max_bytes:
                self._held = entry
                break
            taken.append(entry)
        if not taken:
            await self._prove_nothing_is_missing()
        return taken

    async def _one(self, wait: float) -> Stored | None:
        """The entry after the last one returned, or None when none comes within `wait` seconds."""
        deadline = monotonic() + wait
        while True:
            try:
                message = await self._message(max(deadline - monotonic(), 0.0))
            except _AWAY as error:
                await self.close()
                raise LogUnavailable(f"reading {self._stream} failed ({type(error).__name__})") from error
            if message is None:
                return None
            position = message.metadata.sequence.stream
            if position == self._position + 1:
                self._position = position
                return Stored(position, message.data)
            await self.close()  # not the next one: skipped or repeated; read again from our position
            await self._must_exist(self._position + 1)

    async def _message(self, wait: float) -> Msg | None:
        """The next message of the consumer that carries an entry."""
        deadline = monotonic() + wait
        inbox = self._inbox or await self._open()
        while True:
            if self._requested == 0:
                await self._pull(inbox)
            if inbox._pending_queue.empty() and monotonic() >= deadline:
                return None
            try:
                message = await inbox.next_msg(timeout=max(min(deadline - monotonic(), HEARTBEAT_SECONDS), 0.001))
            except TimeoutError:
                if monotonic() - self._heard > SILENCE_SECONDS:  # not even a heartbeat: the consumer is gone
                    await self.close()
                    inbox = await self._open()
                continue
            self._heard = monotonic()
            status = (message.headers or {}).get("Status")
            if status is None:
                self._requested -= 1
                return message
            if status != "100":  # 404, 408, 409: this pull request is over
                self._requested = 0
                if status == "409" and "Deleted" in (message.headers or {}).get("Description", ""):
                    await self.close()
                    inbox = await self._open()

    async def _open(self) -> Subscription:
        """Creates the consumer after our position, with an inbox of its own."""
        config = api.ConsumerConfig(
            ack_policy=api.AckPolicy.NONE,
            deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._position + 1,
            inactive_threshold=60,
            mem_storage=True,
            num_replicas=1,
        )
        info = await self._jetstream._jsm.add_consumer(self._stream, config)
        self._consumer = info.name
        self._requested, self._heard = 0, monotonic()
        self._inbox = await self._client.subscribe(self._client.new_inbox())
        return self._inbox

    async def _pull(self, inbox: Subscription) -> None:
        """Asks for the next entries; the request stays open at the broker until they come."""
        request = {
            "batch": PULL_ENTRIES,
            "expires": int(PULL_SECONDS * _NANO),
            "idle_heartbeat": int(HEARTBEAT_SECONDS * _NANO),
        }
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}"
        await self._client.publish(subject, json.dumps(request).encode(), reply=inbox.subject)
        self._requested = PULL_ENTRIES

    async def _prove_nothing_is_missing(self) -> None:
        """Silence must mean the end. A broker that skipped the last entries, or sent them into a connection
        that was cut, keeps silent too: then the consumer is discarded, and LogGap raised if they are gone."""
        try:
            end = (await self._jetstream.stream_info(self._stream)).state.last_seq
        except _AWAY as error:
            raise LogUnavailable(f"the log did not answer about {self._stream}") from error
        if end > self._position:
            await self.close()
            await self._must_exist(self._position + 1)

    async def _must_exist(self, position: int) -> None:
        """Raises LogGap when the broker has later entries but not this one."""
        try:
            await self._jetstream.get_msg(self._stream, seq=position)
        except NotFoundError:
            end = (await self._jetstream.stream_info(self._stream)).state.last_seq
            if end >= position:
                raise LogGap(
                    f"log_gap: {self._stream} ends at {end} but has no entry {position}; restore it from a replica "
                    "or, for EVENTS, from the origin entries inside STITCHED"
                ) from None
        except _AWAY as error:
            raise LogUnavailable(f"the log did not answer about {self._stream}") from error

    async def close(self) -> None:
        """Drops the consumer; the next read makes a new one. What the broker keeps of it ends by itself."""
        inbox, self._inbox = self._inbox, None
        if inbox is not None:
            try:
                await inbox.unsubscribe()
                await self._jetstream.delete_consumer(self._stream, self._consumer)
            except _AWAY:
                return  # away: an idle consumer is removed after its inactive_threshold
