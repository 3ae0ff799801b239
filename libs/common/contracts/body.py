"""The plaintext inside an event's `body`: what happened, already normalised, without the identifiers' values.

Personal attributes (a name, an address, ...) are kept apart from other traits by ingest, so that no reader
has to guess: `personal` is shown only to a token with scope `personal:reveal`.
"""

from typing import Any

import msgspec

BODY_VERSION = 1


class Money(msgspec.Struct, array_like=True, frozen=True):
    """An amount in minor units (fen, cents) of an ISO 4217 currency."""

    minor: int
    currency: str


class EventBody(msgspec.Struct, omit_defaults=True, frozen=True):
    """One normalised event. `type` is track, identify, page, screen, group or alias; `event` its name."""

    type: str
    event: str
    channel: str
    message_id: str = ""
    medium: str = ""
    campaign: dict[str, str] = {}
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}
    personal: dict[str, Any] = {}
    context: dict[str, Any] = {}
    money: Money | None = None
    version: int = BODY_VERSION


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(EventBody)


def encode_body(body: EventBody) -> bytes:
    """The plaintext that is encrypted into an event."""
    return _encoder.encode(body)


def decode_body(data: bytes) -> EventBody:
    """The normalised event. Raises msgspec.DecodeError when the bytes are not one."""
    return _decoder.decode(data)
