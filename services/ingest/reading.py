"""Request bodies: read into memory within limits, never onto disk, gunzipped by content and not by header."""

import asyncio
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.types import Receive

from libs.common.errors import BadRequest, TooLarge, Unavailable

GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
_MAX_MEMBERS = 16
READ_SECONDS = 60


class Gone(Exception):
    """The client went away before its body was complete; nobody waits for an answer."""


Take = Callable[[int], None]


class Room:
    """Bounds the bytes of all requests that are being read or waited for; what is only announced takes none."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    @contextmanager
    def enter(self) -> Iterator[Take]:
        """A function that takes bytes for one request, all given back at the end.

        It raises Unavailable when there is no room: the client comes again in a second.
        """
        held = 0

        def take(size: int) -> None:
            nonlocal held
            if size > self._free:
                raise Unavailable("too many requests are being read at once")
            self._free -= size
            held += size

        try:
            yield take
        finally:
            self._free += held


def check_announced(content_length: str, limit: int) -> None:
    """Refuses a body by what it says of itself, before it is read. Raises TooLarge, BadRequest."""
    if not content_length:
        return
    if not (content_length.isascii() and content_length.isdigit()) or len(content_length) > 18:
        raise BadRequest("Content-Length must be a number")
    if int(content_length) > limit:
        raise TooLarge(f"the body has {content_length} bytes; {limit} is the limit, send smaller batches")


async def read_body(receive: Receive, limit: int, take: Take) -> bytes:
    """The body as the client meant it.

    Raises TooLarge before or after decompression, BadRequest on bad gzip, Unavailable when there is no room or the
    client takes longer than a minute, Gone when it leaves.
    """
    body, more = await _next(receive, limit, take)
    if more:
        try:
            async with asyncio.timeout(READ_SECONDS):
                body = await _rest(receive, limit, take, body)
        except TimeoutError:
            raise Unavailable(f"the body did not arrive within {READ_SECONDS} seconds") from None
    if not body.startswith(GZIP_MAGIC):
        return body
    plain = inflate(body, limit)
    take(len(plain))
    return plain


async def _next(receive: Receive, limit: int, take: Take) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise Gone
    chunk: bytes = message.get("body", b"")
    if len(chunk) > limit:
        raise TooLarge(f"the body has more than {limit} bytes; send smaller batches")
    take(len(chunk))
    return chunk, message.get("more_body", False)


async def _rest(receive: Receive, limit: int, take: Take, first: bytes) -> bytes:
    chunks, left, more = [first], limit - len(first), True
    while more:
        chunk, more = await _next(receive, left, take)
        left -= len(chunk)
        chunks.append(chunk)
    return b"".join(chunks)


def inflate(data: bytes, limit: int) -> bytes:
    """Gunzips to at most `limit` bytes. Raises TooLarge beyond them, BadRequest when it is damaged or cut off."""
    parts: list[bytes] = []
    size = 0
    for _ in range(_MAX_MEMBERS):
        member = zlib.decompressobj(_GZIP_WINDOW)
        try:
            part = member.decompress(data, limit - size + 1)
        except zlib.error:
            raise BadRequest("the body starts like gzip, but cannot be decompressed") from None
        size += len(part)
        if size > limit:
            raise TooLarge(f"the body has more than {limit} bytes when decompressed; send smaller batches")
        if not member.eof:
            raise BadRequest("the gzip body is cut off")
        parts.append(part)
        data = member.unused_data
        if not data.startswith(GZIP_MAGIC):
            return b"".join(parts)
    raise BadRequest(f"the gzip body has more than {_MAX_MEMBERS} members")
