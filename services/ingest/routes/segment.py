"""Segment's doors: the tracking API and what its browser SDK calls.

Plain Starlette routes: the body is bytes of whatever content type, and the path is hot. Errors are rendered here
and not by the app's handlers, because a browser shows a page no answer without CORS headers, not even a 4xx.
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

from libs.common.errors import AppError, BadRequest, TooLarge, Unauthorized, problem
from services.ingest import metrics
from services.ingest.browser import settings_of
from services.ingest.doors.segment import Limits, parse_batch, parse_one
from services.ingest.incoming import NotRead, Parsed, Refusal, TooMany
from services.ingest.pipeline import Source
from services.ingest.reading import announced_size, read_body
from services.ingest.resources import Ingest, resources

Endpoint = Callable[[Request], Awaitable[Response]]
Parse = Callable[[bytes, str | None, Limits], Parsed]

SINGLE = {
    "track": "track", "identify": "identify", "page": "page", "screen": "screen", "group": "group",
    "alias": "alias", "t": "track", "i": "identify", "p": "page", "s": "screen", "g": "group", "a": "alias",
}  # fmt: skip
BATCHES = ("batch", "import", "b")
_SUCCESS = b'{"success":true}'
_ALLOWED = {
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "authorization, content-type, anonymousid",
    "Access-Control-Max-Age": "86400",
}
_NO_KEY = "send a write key: as the user name of Basic authorization, or as `writeKey` in the body"
_UNKNOWN_KEY = "no source has this write key; `wanliu source create NAME --channel web` makes one"

router = APIRouter()


def cors(request: Request) -> dict[str, str]:
    """Any page may send: a write key is public and only lets one add. No cookie is ever read."""
    origin = request.headers.get("origin")
    if origin is None:
        return {}
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Credentials": "true", "Vary": "Origin"}


def basic_user(request: Request) -> str | None:
    """The user name of Basic authorization; None when there is none, or it is damaged."""
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[0] or None
    except (binascii.Error, UnicodeDecodeError):
        return None


async def preflight(request: Request) -> Response:
    """What browsers ask first, as they send `authorization`."""
    return Response(status_code=204, headers={**cors(request), **_ALLOWED})


def door(handle: Endpoint) -> Endpoint:
    """Renders a door's errors as problem+json with CORS headers; what nobody foresaw is a 500 without details."""

    async def endpoint(request: Request) -> Response:
        try:
            return await handle(request)
        except AppError as error:
            failure = error
        except Exception:
            structlog.get_logger().exception("a door failed", path=request.url.path)
            failure = AppError("this request failed here; the operator's log says why")
        metrics.ANSWERS.labels(str(failure.status)).inc()
        headers = {**cors(request), **(failure.headers or {})}
        return problem(failure.status, failure.code, failure.detail, headers)

    return endpoint


async def _receive(parse: Parse, request: Request) -> Response:
    ingest = resources(request)
    size = announced_size(request, ingest.settings.body_bytes)
    with ingest.room.take(size):
        key = basic_user(request)
        source = await _source(ingest, key) if key else None
        body = await read_body(request, ingest.settings.body_bytes)
        await _accept(ingest, source, key, body, parse)
    return Response(_SUCCESS, media_type="application/json", headers=cors(request))


async def _accept(ingest: Ingest, source: Source | None, key: str | None, body: bytes, parse: Parse) -> None:
    received_at = ingest.clock.now()
    pipeline = await ingest.pipeline()
    limits = Limits(ingest.settings.ingest_event_bytes, ingest.settings.ingest_batch_events)
    try:
        parsed = parse(body, key, limits)
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


async def _settings(request: Request) -> Response:
    """What the browser SDK loads before anything else."""
    ingest = resources(request)
    key = request.path_params["key"]
    await _source(ingest, key)
    body = msgspec.json.encode(settings_of(key, request.url.scheme, request.url.netloc))
    return Response(body, media_type="application/json", headers=cors(request))


async def _metrics(request: Request) -> Response:
    """The browser SDK's numbers about itself: read to the end, not kept."""
    limit = resources(request).settings.body_bytes
    announced_size(request, limit)
    await read_body(request, limit)
    return Response(_SUCCESS, media_type="application/json", headers=cors(request))


def _parse_single(kind: str, body: bytes, key: str | None, limits: Limits) -> Parsed:
    return parse_one(body, kind, key, limits)


def _add(path: str, handle: Endpoint, method: str) -> None:
    router.add_route(path, door(handle), methods=[method], include_in_schema=False)
    router.add_route(path, preflight, methods=["OPTIONS"], include_in_schema=False)


for _path, _kind in SINGLE.items():
    _add(f"/v1/{_path}", partial(_receive, partial(_parse_single, _kind)), "POST")
for _path in BATCHES:
    _add(f"/v1/{_path}", partial(_receive, parse_batch), "POST")
_add("/v1/projects/{key}/settings", _settings, "GET")
_add("/v1/m", _metrics, "POST")
