"""A customer's events, newest first: the merged timeline of its bindings."""

from collections.abc import Mapping
from typing import NamedTuple

from asyncpg import Pool

from libs.common.contracts.body import EventBody
from libs.common.errors import BadRequest
from services.profile.connecting import fetch
from services.profile.sealing import Sealed


class Cursor(NamedTuple):
    """A place between events; its text form is opaque to callers and holds only numbers."""

    at: int
    position: int
    idx: int

    def __str__(self) -> str:
        return f"{self.at}.{self.position}.{self.idx}"


END = Cursor((1 << 63) - 1, 0, 0)


class Line(NamedTuple):
    """One event, opened."""

    at: int
    position: int
    idx: int
    binding: bytes
    event_id: bytes
    source: str
    body: EventBody


_BEFORE = """
SELECT e.at, e.position, e.idx, e.binding, e.event_id, e.source, e.sealed
FROM unnest($1::bytea[]) AS b (binding) CROSS JOIN LATERAL (
    SELECT * FROM timeline t
    WHERE t.binding = b.binding AND (t.at, t.position, t.idx) < ($2::bigint, $3::bigint, $4::int)
    ORDER BY t.at DESC, t.position DESC, t.idx DESC LIMIT $5
) e ORDER BY e.at DESC, e.position DESC, e.idx DESC LIMIT $5
"""


def parse_cursor(given: str) -> Cursor:
    """The opposite of `str(cursor)`. Raises BadRequest."""
    try:
        at, position, idx = map(int, given.split("."))
    except ValueError:
        raise BadRequest("`before` is the `next` of an earlier answer, nothing else") from None
    if max(abs(at), abs(position), abs(idx)) >= 1 << 63 or abs(idx) >= 1 << 31:
        raise BadRequest("`before` is the `next` of an earlier answer, nothing else")
    return Cursor(at, position, idx)


async def before(pool: Pool, opened: Mapping[bytes, Sealed], cursor: Cursor, limit: int) -> list[Line]:
    """At most `limit` events before `cursor`, newest first, of the bindings whose keys are at hand."""
    rows = await fetch(pool, _BEFORE, sorted(opened), *cursor, limit)
    return [
        Line(at, position, idx, binding, event_id, source, opened[binding].body(event_id, sealed))
        for at, position, idx, binding, event_id, source, sealed in rows
    ]
