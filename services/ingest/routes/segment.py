"""Segment's doors: the tracking API and what its browser SDK calls.

Errors are rendered here and not by the app's handlers, because a browser shows a page no answer without CORS
headers, not even a 4xx.
"""

import base64
import binascii
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from libs.common.errors import AppError, BadRequest, TooLarge, Unauthorized
from services.ingest import metrics
from services.ingest.browser import settings_of
from services.ingest.doors.segment import Limits, parse_batch, parse_one
from services.ingest.faults import describe
from services.ingest.http import Answer, App, Arrival, RawHeaders, failure
from services.ingest.incoming import NotRead, Parsed, Refusal, TooMany
from services.ingest.pipeline import Source
from services.ingest.reading import Gone, check_announced, read_body
from services.ingest.resources import Ingest

Door = Callable[[Arrival], Awaitable[App]]
Parse = Callable[[bytes, str | None, Limits], Parsed]

SINGLE = {
    "track": "track", "identify": "identify", "page": "page", "screen": "screen", "group": "group",
    "alias": "alias", "t": "track", "i": "identify", "p": "page", "s": "screen", "g": "group", "a": "alias",
}  # fmt: skip
BATCHES = ("batch", "import", "b")
SETTINGS = "/v1/projects/{key}/settings"
_SUCCESS = b'{"success":true}'
_PREFLIGHT: RawHeaders = [
    (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
    (b"access-control-allow-headers", b"authorization, content-type, anonymousid"),
    (b"access-control-max-age", b"86400"),
]
_NO_KEY = "send a write key: as the user name of Basic authorization, or as `writeKey` in the body"
_UNKNOWN_KEY = "no source has this write key; `wanliu source create NAME --channel web` makes one"

router = APIRouter()


def basic_user(authorization: str) -> str | None:
    """The user name of Basic authorization; None when there is none, or it is damaged."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[0] or None
    except (binascii.Error, ValueError):
        return None


async def preflight(arrival: Arrival) -> App:
    """What browsers ask first, as they send `authorization`."""
    return Answer(200, b"", [*arrival.cors(), *_PREFLIGHT])


def door(handle: Door) -> Door:
    """Renders a door's errors as problem+json; what nobody foresaw is a 500 without details."""

    async def guarded(arrival: Arrival) -> App:
        try:
            return await handle(arrival)
        except AppError as error:
            reason = error
        except Gone:
            reason = BadRequest("the body ended early")
        except Exception as error:
            structlog.get_logger().error("a door failed", path=arrival.scope["path"], error=describe(error))
            reason = AppError("this request failed here; the operator's log says why")
        metrics.ANSWERS.labels(str(reason.status)).inc()
        return failure(arrival, reason)

    return guarded


async def _receive(parse: Parse, arrival: Arrival) -> App:
    ingest = arrival.ingest
    limit = ingest.settings.body_bytes
    check_announced(arrival.header(b"content-length"), limit)
    key = basic_user(arrival.header(b"authorization"))
    source = await _source(ingest, key) if key else None
    with ingest.room.enter() as take:
        body = await read_body(arrival.receive, limit, take)
        await _accept(ingest, source, key, body, parse)
    return Answer(200, _SUCCESS, arrival.cors())


async def _accept(ingest: Ingest, source: Source | None, key: str | None, body: bytes, parse: Parse) -> None:
    received_at = ingest.clock.now()
    pipeline = await ingest.pipeline()
    try:
        parsed = parse(body, key, ingest.limits)
    except TooMany as error:
        raise TooLarge(str(error)) from None
    except NotRead as error:
        if source is not None:
            # Kept for the channel's engineer to see; the SDK drops what is answered 400.
            await pipeline.accept(source, [Refusal(b"r" + body, body, error.why)], received_at)
        raise BadRequest(f"{error.why.reason}: {error.why.detail}") from None
    if source is None:
        source = await _source(ingest, parsed.write_key)
    await pipeline.accept(source, parsed.items, received_at)


async def _source(ingest: Ingest, key: str | None) -> Source:
    if key is None:
        raise Unauthorized(_NO_KEY)
    source = await ingest.sources.find(key)
    if source is None:
        raise Unauthorized(_UNKNOWN_KEY)
    return source


async def _settings(arrival: Arrival) -> App:
    """What the browser SDK loads before anything else."""
    key = arrival.scope["path_params"]["key"]
    await _source(arrival.ingest, key)
    host = arrival.header(b"host") or "localhost"
    body = msgspec.json.encode(settings_of(key, arrival.scope["scheme"], host))
    return Answer(200, body, arrival.cors())


async def _metrics(arrival: Arrival) -> App:
    """The browser SDK's numbers about itself: read to the end, not kept."""
    limit = arrival.ingest.settings.body_bytes
    check_announced(arrival.header(b"content-length"), limit)
    with arrival.ingest.room.enter() as take:
        await read_body(arrival.receive, limit, take)
    return Answer(200, _SUCCESS, arrival.cors())


def _parse_single(kind: str, body: bytes, key: str | None, limits: Limits) -> Parsed:
    return parse_one(body, kind, key, limits)


def _doors() -> dict[tuple[str, str], Door]:
    """Every door with an exact path, by method and path."""
    singles = {f"/v1/{path}": partial(_receive, partial(_parse_single, kind)) for path, kind in SINGLE.items()}
    batches = {f"/v1/{path}": partial(_receive, parse_batch) for path in BATCHES}
    posts: dict[str, Door] = {**singles, **batches, "/v1/m": _metrics}
    return {
        **{("POST", path): door(handle) for path, handle in posts.items()},
        **{("OPTIONS", path): preflight for path in posts},
    }


DOORS = _doors()
"""Asked before the app; see front.py."""


@router.api_route(SETTINGS, methods=["GET", "OPTIONS"], include_in_schema=False)
async def settings(request: Request) -> Response:
    """The one door whose path holds a key."""
    arrival = Arrival(request.scope, request.receive)
    handle = preflight if request.method == "OPTIONS" else door(_settings)
    answer = await handle(arrival)
    if isinstance(answer, Answer):
        response = Response(answer.body, answer.status)
        response.raw_headers = answer.headers
        return response
    assert isinstance(answer, Response)  # noqa: S101 - an Answer or an error
    return answer
