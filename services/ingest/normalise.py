"""One incoming event as the body that will be encrypted, and the identifiers that it is bound to. Pure."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from libs.common.contracts.body import EventBody, encode_body
from libs.common.contracts.vault import Identifier
from services.ingest import personal, redaction, scan
from services.ingest.campaigns import attribution_of
from services.ingest.checks import check
from services.ingest.contexts import trimmed
from services.ingest.identifiers import (
    Claim,
    Found,
    actor_kind,
    is_no_value,
    of_context,
    of_keys,
    settle,
    trait_kind,
)
from services.ingest.incoming import Incoming
from services.ingest.money import money_of
from services.ingest.refusals import Reason, Refused


class Normal(NamedTuple):
    """The encoded body, whom it is about, and what was blanked in it (by sort)."""

    body: bytes
    identifiers: tuple[Identifier, ...]
    blanked: Counter[str]


_NOTHING: Counter[str] = Counter()
_NO_IDENTIFIER = (
    "no usable identifier: send userId, anonymousId, context.traits.phone or .email, context.device.id or "
    "context.externalIds; placeholders such as 'unknown' do not count"
)


def normalise(event: Incoming, channel: str) -> Normal:
    """Raises Refused when the event points at nobody or holds what cannot be stored."""
    stated = event.context.get("traits")
    traits = {**stated, **event.traits} if isinstance(stated, dict) else event.traits
    of_traits = of_keys(traits, trait_kind)
    of_properties = of_keys(event.properties, actor_kind)
    claims = event.claims + [claim for _, claim in of_traits + of_properties]
    found = settle([*claims, *of_context(event.context)] if event.context else claims)
    if not found.identifiers:
        raise Refused(Reason.NO_IDENTIFIER, "", _NO_IDENTIFIER)
    body = _body(event, channel, _without(event.properties, of_properties, found), _without(traits, of_traits, found))
    return _cleaned(body, found)


def _body(event: Incoming, channel: str, properties: dict[str, Any], traits: dict[str, Any]) -> EventBody:
    medium, campaign = attribution_of(event.context, properties)
    halves = personal.split(traits) if traits else personal.Traits({}, {})
    return EventBody(
        type=event.type,
        event=event.event,
        channel=channel,
        message_id=event.message_id,
        medium=medium,
        campaign=campaign,
        properties=properties,
        traits=halves.traits,
        personal=halves.personal,
        context=trimmed(event.context) if event.context else {},
        money=money_of(properties) if event.type == "track" and properties else None,
    )


def _without(fields: dict[str, Any], stated: list[tuple[str, Claim]], found: Found) -> dict[str, Any]:
    """Without what became an identifier or says nothing; a malformed phone stays, as a personal trait."""
    gone = {key for key, claim in stated if claim.value.strip() in found.raw or is_no_value(claim.value)}
    return {key: value for key, value in fields.items() if key not in gone} if gone else fields


def _cleaned(body: EventBody, found: Found) -> Normal:
    """The encoded body without own identifiers and leaks; walked only where one look shows that it may hold any."""
    try:
        encoded = encode_body(body)
    except OverflowError:
        check(msgspec.structs.asdict(body))
        raise
    blanked = _NOTHING
    # SDKs put times and UUIDs into message ids: their digits would look like a phone's.
    if scan.is_suspicious(encoded.replace(body.message_id.encode(), b"")) or scan.has_personal_key(body.properties):
        # Own identifiers first: they are counted as redacted, not as leaked.
        body = _redacted(body, redaction.needles_of(found.raw))
        body, blanked = _scanned(body)
        encoded = encode_body(body)
    elif redaction.occur(found.raw, encoded):
        encoded = encode_body(_redacted(body, redaction.needles_of(found.raw)))
    return Normal(encoded, found.identifiers, blanked)


_FREE = ("properties", "traits", "personal", "context", "campaign", "event", "message_id", "medium")
_SCANNED = ("traits", "context", "campaign", "event", "medium")


def _redacted(body: EventBody, needles: redaction.Needles) -> EventBody:
    return _replaced(body, {name: redaction.redact(getattr(body, name), needles) for name in _FREE})


def _scanned(body: EventBody) -> tuple[EventBody, Counter[str]]:
    properties = scan.scan(body.properties, keys=True)
    others = {name: scan.scan(getattr(body, name), keys=False) for name in _SCANNED}
    counts = properties.counts + sum((one.counts for one in others.values()), Counter[str]())
    values = {name: one.value for name, one in others.items()}
    return _replaced(body, {"properties": properties.value, **values}), counts


def _replaced(body: EventBody, changes: Mapping[str, Any]) -> EventBody:
    return msgspec.structs.replace(body, **changes)
