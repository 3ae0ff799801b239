"""Request bodies: read into memory within limits, never onto disk, gunzipped by content and not by header."""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import Receive

from libs.common.errors import BadRequest, TooLarge, Unavailable

GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 31
_MAX_MEMBERS = 16


class Gone(Exception):
    """The client went away before its body was complete; nobody waits for an answer."""


class Room:
    """Bounds the bytes of all requests that are being read or waited for."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    @contextmanager
    def take(self, size: int) -> Iterator[None]:
        """Holds `size` bytes. Raises Unavailable when there is no room: the client comes again in a second."""
        if size > self._free:
            raise Unavailable("too many requests are being read at once")
        self._free -= size
        try:
            yield
        finally:
            self._free += size


def announced_size(content_length: str, limit: int) -> int:
    """How large the body says it is; `limit` when it does not say. Raises TooLarge, BadRequest."""
    if not content_length:
        return limit
    if not (content_length.isascii() and content_length.isdigit()) or len(content_length) > 18:
        raise BadRequest("Content-Length must be a number")
    size = int(content_length)
    if size > limit:
        raise TooLarge(f"the body has {size} bytes; {limit} is the limit, send smaller batches")
    return size


async def read_body(receive: Receive, limit: int) -> bytes:
    """The body as the client meant it. Raises TooLarge before or after decompression, BadRequest on bad gzip, Gone."""
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"the body has more than {limit} bytes; send smaller batches")
        chunks.append(chunk)
        more = message.get("more_body", False)
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    return inflate(body, limit) if body.startswith(GZIP_MAGIC) else body


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
