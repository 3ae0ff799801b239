"""Whether every message that an SDK was given is in the log, found by its messageId alone."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from libs.common.clock import SystemClock
from libs.common.contracts.events import EVENTS, Batch
from libs.common.crypto import SUITES
from libs.common.eventlog.base import events_stream
from libs.common.eventlog.jetstream import JetStreamLog, connect
from libs.common.vault_client import VaultClient
from libs.devstack import api, nats
from libs.devstack.stack import Stack


class Account(NamedTuple):
    """Which of the SDK's messages are not in the log, how often each id is, and how many ids nobody sent."""

    missing: list[str]
    stored: Counter[bytes]
    unknown: int
    rejected: int


class NewSource(NamedTuple):
    """A source of a test."""

    id: str
    key: str


def new_source(stack: Stack, name: str) -> NewSource:
    """A source of one test's own."""
    with api.client(stack, "ingest", ["ingest:admin"]) as http:
        created = api.answer(http.post("/v1/sources", json={"name": name, "channel": "web"}))
    return NewSource(created["source"], created["write_key"])


def account(stack: Stack, source: NewSource, message_ids: Iterable[str]) -> Account:
    """Compares what an SDK was given with what the log holds."""
    return asyncio.run(_account(stack, source.id, list(message_ids)))


async def _account(stack: Stack, source: str, message_ids: list[str]) -> Account:
    async with connect(stack.nats_url(nats.OPERATOR), "test") as client:
        workspace = await VaultClient(client, stack.workspace, SystemClock()).workspace()
        stored, rejected = await _of_source(JetStreamLog(client), events_stream(workspace.partition), source)
    suite = SUITES[workspace.suite]

    def id_of(message_id: str) -> bytes:
        return suite.keyed_hash(workspace.event_id_key, f"{source}\0m{message_id}".encode())[:16]

    ids = {message_id: id_of(message_id) for message_id in message_ids}
    missing = [message_id for message_id, id in ids.items() if id not in stored]
    return Account(missing, stored, len(set(stored) - set(ids.values())), rejected)


async def _of_source(log: JetStreamLog, stream: str, source: str) -> tuple[Counter[bytes], int]:
    stored: Counter[bytes] = Counter()
    rejected = position = 0
    end = await log.end(stream)
    async with log.read(stream, 0) as reader:
        while position < end:
            for entry in await reader.next(max_entries=100, max_bytes=2**24, wait=5):
                position = entry.position
                batch = EVENTS.decode(entry.data)
                if isinstance(batch, Batch) and source in batch.sources:
                    mine = batch.sources.index(source)
                    stored.update(event.id for event in batch.events if event.source == mine)
                    rejected += sum(reject.source == mine for reject in batch.rejects)
    return stored, rejected


def balance(stack: Stack, source: NewSource) -> dict[str, int]:
    """The accounting of the source, once everything is applied."""
    with api.client(stack, "ingest", ["ingest:admin"]) as http:
        totals = api.answer(http.get("/v1/accounting", params={"source": source.id}))["totals"]
    found = msgspec.convert(totals, list[dict[str, int | str | None]])
    return {name: value for name, value in found[0].items() if isinstance(value, int)}
