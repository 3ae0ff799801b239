"""What a source sends right now, line by line from the log: outcomes, names and kinds, nothing personal."""

from collections.abc import AsyncIterator

from libs.common.clock import iso
from libs.common.contracts.body import decode_body
from libs.common.contracts.events import EVENTS, Batch, Event
from libs.common.contracts.vault import LIVE
from libs.common.crypto import CannotOpen, body_associated
from libs.common.eventlog.base import Reader
from libs.common.vault_client import HeldKey
from services.ingest.pipeline import Vault
from services.ingest.schemas import TailLine

_ENTRIES, _BYTES, IDLE_SECONDS = 16, 4 * 1024 * 1024, 5.0


async def follow(reader: Reader, source: str, vault: Vault) -> AsyncIterator[list[TailLine]]:
    """The source's lines of each group of entries; an empty list when nothing came for a while."""
    while True:
        stored = await reader.next(max_entries=_ENTRIES, max_bytes=_BYTES, wait=IDLE_SECONDS)
        lines: list[TailLine] = []
        for entry in stored:
            batch = EVENTS.decode(entry.data)
            if isinstance(batch, Batch) and source in batch.sources:
                lines += await lines_of(batch, source, vault)
        yield lines


async def lines_of(batch: Batch, source: str, vault: Vault) -> list[TailLine]:
    """One line per event and per refusal of the source in this entry. Raises Unavailable."""
    mine = batch.sources.index(source)
    events = [event for event in batch.events if event.source == mine]
    bindings = list(dict.fromkeys(batch.bindings[event.binding].id for event in events))
    keys = await vault.keys(bindings) if bindings else {}
    return [_accepted(batch, event, keys) for event in events] + _rejected(batch, mine)


def _accepted(batch: Batch, event: Event, keys: dict[bytes, HeldKey]) -> TailLine:
    binding = batch.bindings[event.binding]
    kinds = [pseudonym.kind for pseudonym in binding.pseudonyms]
    type, name = _name(batch, event, binding.id, keys[binding.id])
    return TailLine(time=iso(event.received_at), outcome="accepted", type=type, event=name, identifiers=kinds)


def _name(batch: Batch, event: Event, binding: bytes, key: HeldKey) -> tuple[str, str]:
    if key.state != LIVE:
        return f"({key.state})", f"({key.state})"
    try:
        aad = body_associated(batch.suite, batch.workspace, binding, event.id)
        body = decode_body(key.sealer.open(event.body, aad))
    except CannotOpen:
        return "(damaged)", "(damaged)"
    return body.type, body.event


def _rejected(batch: Batch, source: int) -> list[TailLine]:
    return [
        TailLine(
            time=iso(reject.received_at),
            outcome="rejected",
            reason=reject.reason,
            pointer=reject.pointer,
            detail=reject.detail,
        )
        for reject in batch.rejects
        if reject.source == source
    ]
