"""One event as every door hands it to the pipeline, whatever its wire looked like."""

from typing import Any

import msgspec

from services.ingest.identifiers import Claim
from services.ingest.refusals import Refused


class Incoming(msgspec.Struct):
    """An event that could be read. Times are microseconds since the epoch on the sender's clock.

    `identity` is what makes the event the same event when it is sent again: the messageId, or else the
    canonical body without what changes between two tries. `raw` is what quarantine keeps if a later step refuses it.
    """

    type: str
    event: str
    identity: bytes
    raw: bytes
    message_id: str = ""
    original: int | None = None
    sent: int | None = None
    claims: list[Claim] = []
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    context: dict[str, Any] = {}


class Refusal(msgspec.Struct):
    """An event that was refused, with enough to keep it and to recognise it."""

    identity: bytes
    raw: bytes
    why: Refused


Item = Incoming | Refusal


class Parsed(msgspec.Struct):
    """A request's body: the write key it names, if any, and its events in order."""

    write_key: str | None
    items: list[Item]


class NotRead(Exception):
    """A body that is no event and no batch; `why` says what is wrong with it."""

    def __init__(self, why: Refused) -> None:
        super().__init__(why.detail)
        self.why = why


class TooMany(Exception):
    """A batch with more events than the limit."""
