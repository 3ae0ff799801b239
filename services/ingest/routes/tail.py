"""`wanliu tail`: a stream of lines for whoever connects a channel."""

from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from libs.common.errors import AppError, Unavailable
from libs.common.eventlog.base import LogError
from services.ingest import sources
from services.ingest.resources import Ingest
from services.ingest.routes.sources import Admin
from services.ingest.schemas import TailLine
from services.ingest.tailing import follow

router = APIRouter(prefix="/v1/sources", tags=["sources"])


@router.get("/{source}/tail", response_model=TailLine)
async def tail(source: str, ingest: Admin) -> StreamingResponse:
    """NDJSON, one `TailLine` per event from now on, until the client closes; an empty line says "still here"."""
    found = await sources.resolve(ingest, source)
    if ingest.tails.locked():
        raise Unavailable("too many tails are open", retry_after=30)
    try:
        stream = await ingest.stream()
        end = await ingest.log.end(stream)
    except LogError as error:
        raise Unavailable(f"the log is away: {error}") from error
    lines = _lines(ingest, stream, end, found["source"])
    return StreamingResponse(lines, media_type="application/x-ndjson", headers={"Cache-Control": "no-store"})


async def _lines(ingest: Ingest, stream: str, after: int, source: str) -> AsyncIterator[bytes]:
    async with ingest.tails:
        yield b"\n"  # the client learns at once that it is connected
        try:
            async with ingest.log.read(stream, after) as reader:
                async for lines in follow(reader, source, ingest.vault):
                    yield b"".join(_encoded(line) for line in lines) or b"\n"
        except (LogError, AppError) as error:
            yield b'{"outcome":"ended","detail":"' + type(error).__name__.encode() + b'"}\n'


def _encoded(line: TailLine) -> bytes:
    return line.model_dump_json(exclude_none=True).encode() + b"\n"
