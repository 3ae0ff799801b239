"""Segment's HTTP Tracking API as its SDKs send it: one event, or a batch of them.

Each event of a batch is parsed on its own, so a bad one is refused and the others go on. Of two equal keys the
last counts, as in every JavaScript reader. What the browser SDK abbreviates (`/v1/t`) the routes spell out.
"""

from typing import Any, NamedTuple

import msgspec

from services.ingest import timestamps
from services.ingest.checks import check, is_suspicious
from services.ingest.doors.salvage import salvage
from services.ingest.identifiers import Claim, text_of
from services.ingest.incoming import Incoming, Item, NotRead, Parsed, Refusal, TooMany
from services.ingest.refusals import Reason, Refused, from_decoder

TYPES = frozenset({"track", "identify", "page", "screen", "group", "alias"})
VOLATILE = ("sentAt", "receivedAt", "writeKey", "_metadata")
"""What differs between two tries to send the same event."""
MAX_NAME = 256

Text = str | int | float | None
Object = dict[str, Any] | list[Any] | None  # PHP writes an empty object as []


class Event(msgspec.Struct, rename="camel"):
    """The fields of all six calls that mean something here; the SDKs' others are skipped unread."""

    type: str | None = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    user_id: Text = None
    anonymous_id: Text = None
    previous_id: Text = None
    group_id: Text = None
    message_id: Text = None
    timestamp: Text = None
    original_timestamp: Text = None
    sent_at: Text = None
    write_key: str | None = None
    properties: Object = None
    traits: Object = None
    context: Object = None


class Envelope(msgspec.Struct, rename="camel"):
    """A batch; its `context` is under each event's own."""

    batch: list[msgspec.Raw]
    write_key: str | None = None
    sent_at: Text = None
    context: Object = None


class Limits(NamedTuple):
    """Bytes of one event's JSON, and events of one batch (Segment documents 32 KB and 2,500)."""

    event_bytes: int = 32 * 1024
    batch_events: int = 2_500


class _Frame(NamedTuple):
    """What a request says about all its events."""

    kind: str | None
    write_key: str | None
    sent: int | None
    context: dict[str, Any]


class _Recognised(msgspec.Struct, rename="camel"):
    message_id: str | int | None = None


_event = msgspec.json.Decoder(Event)
_envelope = msgspec.json.Decoder(Envelope)
_recognised = msgspec.json.Decoder(_Recognised)
_object = msgspec.json.Decoder(dict[str, Any])
_canonical = msgspec.json.Encoder(order="sorted")
_BOM = b"\xef\xbb\xbf"
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def parse_one(body: bytes, kind: str, write_key: str | None, limits: Limits) -> Parsed:
    """The body of `POST /v1/<kind>`; `write_key` is the header's. Raises NotRead when it is no JSON object."""
    raw = body.removeprefix(_BOM)
    item, own_key = _read(raw, _Frame(kind, write_key, None, {}), limits)
    if isinstance(item, Refusal) and item.why.reason is Reason.INVALID_JSON:
        raise NotRead(item.why)
    return Parsed(write_key or own_key, [item])


def parse_batch(body: bytes, write_key: str | None, limits: Limits) -> Parsed:
    """The body of `POST /v1/batch`; `write_key` is the header's. Raises NotRead or TooMany."""
    envelope = _open(body.removeprefix(_BOM))
    if len(envelope.batch) > limits.batch_events:
        raise TooMany(f"the batch has {len(envelope.batch)} events; {limits.batch_events} is the limit")
    key = write_key or envelope.write_key
    frame = _Frame(None, key, _time(envelope.sent_at), envelope.context if isinstance(envelope.context, dict) else {})
    items: list[Item] = []
    for raw in envelope.batch:
        item, own_key = _read(bytes(raw), frame, limits)
        if frame.write_key is None and own_key:
            frame = frame._replace(write_key=own_key)
        items.append(item)
    return Parsed(frame.write_key, items)


def _open(body: bytes) -> Envelope:
    try:
        return _envelope.decode(body)
    except msgspec.ValidationError as error:
        raise NotRead(from_decoder(error)) from None
    except _UNREADABLE as error:
        saved = salvage(body)
        if saved is None:
            raise NotRead(from_decoder(error)) from None
        # The pieces are given to the strict parser one by one; here only the envelope is read.
        return _open_salvaged(saved.envelope, saved.elements)


def _open_salvaged(frame: bytes, elements: list[bytes]) -> Envelope:
    try:
        envelope = _envelope.decode(b'{"batch":[],' + frame[1:] if len(frame) > 2 else b'{"batch":[]}')
    except _UNREADABLE as error:
        raise NotRead(from_decoder(error)) from None
    return msgspec.structs.replace(envelope, batch=[msgspec.Raw(element) for element in elements])


def _read(raw: bytes, frame: _Frame, limits: Limits) -> tuple[Item, str | None]:
    """One event or its refusal, and the write key that it names itself."""
    try:
        if len(raw) > limits.event_bytes:
            detail = f"the event has {len(raw)} bytes; {limits.event_bytes} is the limit"
            raise Refused(Reason.TOO_LARGE, "", detail)
        event = _event.decode(raw)
        return _incoming(event, raw, frame), event.write_key
    except Refused as why:
        return Refusal(_recognise(raw), raw, why), None
    except _UNREADABLE as error:
        return Refusal(_recognise(raw), raw, from_decoder(error)), None


def _incoming(event: Event, raw: bytes, frame: _Frame) -> Incoming:
    if event.write_key and frame.write_key and event.write_key != frame.write_key:
        raise Refused(Reason.WRITE_KEY_MISMATCH, "/writeKey", "the event names another write key than its request")
    kind = frame.kind or event.type
    if kind not in TYPES:
        raise Refused(Reason.UNKNOWN_TYPE, "/type", f"the type must be one of {', '.join(sorted(TYPES))}")
    context = _object_of(event.context, "context")
    properties, traits = _object_of(event.properties, "properties"), _object_of(event.traits, "traits")
    if is_suspicious(raw):
        check({"event": event.event, "properties": properties, "traits": traits, "context": context})
    if kind == "group":
        properties, traits = _group(event, properties, traits), {}
    elif kind in ("page", "screen"):
        properties = _named(event, properties)
    message_id = text_of(event.message_id) or ""
    sent = _time(event.sent_at)
    return Incoming(
        type=kind,
        event=_name(event, kind),
        identity=b"m" + message_id.encode("utf-8", "replace") if message_id else _content(raw, kind),
        raw=raw,
        message_id=message_id[:MAX_NAME],
        original=_required_time(event),
        sent=frame.sent if sent is None else sent,
        claims=_claims(event, kind),
        properties=properties,
        traits=traits,
        context={**frame.context, **context} if frame.context else context,
    )


def _name(event: Event, kind: str) -> str:
    """A track call's own name; the other calls are named after their type, the page's name is a property."""
    if kind != "track":
        return kind
    name = (event.event or "").strip()
    if not name:
        raise Refused(Reason.NO_EVENT_NAME, "/event", "a track call needs the name of what happened in `event`")
    return name[:MAX_NAME]


def _claims(event: Event, kind: str) -> list[Claim]:
    """Segment's `previousId` is the anonymous id from before a sign-up; two user ids never join anyway."""
    stated = (
        ("user_id", event.user_id),
        ("anonymous_id", event.anonymous_id),
        ("anonymous_id", event.previous_id if kind == "alias" else None),
    )
    return [Claim(name, text) for name, value in stated if value is not None and (text := text_of(value))]


def _group(event: Event, properties: dict[str, Any], traits: dict[str, Any]) -> dict[str, Any]:
    """A group's traits describe the group, not the person who joined it."""
    return {**properties, "group_id": text_of(event.group_id) or "", **({"group": traits} if traits else {})}


def _named(event: Event, properties: dict[str, Any]) -> dict[str, Any]:
    told = {"name": event.name, "category": event.category}
    return {**{key: value for key, value in told.items() if value}, **properties}


def _object_of(value: Object, field: str) -> dict[str, Any]:
    if not value:
        return {}
    if isinstance(value, list):
        raise Refused(Reason.INVALID_FIELD, f"/{field}", "Expected `object`, got `array`")
    return value


def _required_time(event: Event) -> int | None:
    field = "timestamp" if event.original_timestamp is None else "originalTimestamp"
    value = event.timestamp if event.original_timestamp is None else event.original_timestamp
    if value is None or value == "":
        return None
    try:
        return timestamps.parse(value)
    except (ValueError, OverflowError):
        detail = "a time must be ISO 8601, or seconds or milliseconds since 1970"
        raise Refused(Reason.INVALID_TIMESTAMP, f"/{field}", detail) from None


def _time(value: Text) -> int | None:
    """`sentAt` only corrects clocks: one that is no time corrects nothing."""
    try:
        return None if value is None else timestamps.parse(value)
    except (ValueError, OverflowError):
        return None


def _content(raw: bytes, kind: str) -> bytes:
    """What makes an event without messageId the same event on its next try."""
    fields = _object.decode(raw)
    for field in VOLATILE:
        fields.pop(field, None)
    return b"c" + _canonical.encode({**fields, "type": kind})


def _recognise(raw: bytes) -> bytes:
    """The identity of an event that cannot be read as one."""
    try:
        message_id = _recognised.decode(raw).message_id
    except _UNREADABLE:
        message_id = None
    return b"r" + raw if message_id is None else b"m" + str(message_id).encode("utf-8", "replace")
