"""A customer's events, newest first: the merged timeline of its bindings."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.contracts.body import EventBody
from libs.common.errors import BadRequest
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


_BEFORE = text("""
SELECT e.at, e.position, e.idx, e.binding, e.event_id, e.source, e.sealed
FROM unnest(CAST(:bindings AS bytea[])) AS b (binding) CROSS JOIN LATERAL (
    SELECT * FROM timeline t
    WHERE t.binding = b.binding AND (t.at, t.position, t.idx) < (:at, :position, :idx)
    ORDER BY t.at DESC, t.position DESC, t.idx DESC LIMIT :limit
) e ORDER BY e.at DESC, e.position DESC, e.idx DESC LIMIT :limit
""")


def parse_cursor(given: str) -> Cursor:
    """The opposite of `str(cursor)`. Raises BadRequest."""
    try:
        at, position, idx = map(int, given.split("."))
    except ValueError:
        raise BadRequest("`before` is the `next` of an earlier answer, nothing else") from None
    if max(abs(at), abs(position), abs(idx)) >= 1 << 63 or abs(idx) >= 1 << 31:
        raise BadRequest("`before` is the `next` of an earlier answer, nothing else")
    return Cursor(at, position, idx)


async def before(
    connection: AsyncConnection, opened: Mapping[bytes, Sealed], cursor: Cursor, limit: int
) -> Sequence[Line]:
    """At most `limit` events before `cursor`, newest first, of the bindings whose keys are at hand."""
    values = {"bindings": sorted(opened), "at": cursor.at, "position": cursor.position, "idx": cursor.idx}
    rows = await connection.execute(_BEFORE, {**values, "limit": limit})
    return [
        Line(at, position, idx, binding, event_id, source, opened[binding].body(event_id, sealed))
        for at, position, idx, binding, event_id, source, sealed in rows
    ]
