"""The projection of EVENTS: who decided what, whose processing is restricted, who confirmed which erasure.

It reads EVENTS itself and not STITCHED, so a withdrawal never waits behind identity's backlog. What is decided
about an erased pseudonym is not kept, whichever of the two is folded first (see people.py).
"""

from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.contracts.events import Consents, ErasureConfirmed, Restriction
from libs.common.db import driver_connection

NAME = "decisions"
LOCK = "hashtextextended(current_schema() || ' people', 0)"
"""Taken shared by who adds what an erasure deletes, exclusively by the erasure."""

_DECIDE = """
INSERT INTO consents (workspace, pseudonym, purpose, granted, position, decided_at, actor, method, notice)
SELECT $1, n.pseudonym, n.purpose, n.granted, $2, $3, $4, $5, $6
FROM unnest($7::bytea[], $8::text[], $9::bool[]) AS n (pseudonym, purpose, granted)
WHERE NOT EXISTS (SELECT FROM erased e WHERE e.workspace = $1 AND e.pseudonym = n.pseudonym)
ON CONFLICT (workspace, pseudonym, purpose) DO UPDATE SET granted = excluded.granted, position = excluded.position,
decided_at = excluded.decided_at, actor = excluded.actor, method = excluded.method, notice = excluded.notice
WHERE consents.decided_at <= excluded.decided_at
"""
_RESTRICT = """
INSERT INTO restrictions (workspace, pseudonym, request) SELECT $1, n.pseudonym, $2 FROM unnest($3::bytea[])
AS n (pseudonym) WHERE NOT EXISTS (SELECT FROM erased e WHERE e.workspace = $1 AND e.pseudonym = n.pseudonym)
ON CONFLICT DO NOTHING
"""
_CONFIRM = "INSERT INTO confirmed VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"


class Decisions:
    """Keeps one partition's decisions; see Projection."""

    name = NAME

    async def apply(self, connection: AsyncConnection, entries: Sequence[tuple[int, Any]]) -> None:
        """The later decision of a pseudonym counts, of two at one time that of the later position.

        Whoever records leaves out what is older than what stands, but may have looked just before that changed.
        """
        mine = [each for each in entries if isinstance(each[1], Consents | Restriction | ErasureConfirmed)]
        if not mine:
            return
        driver = await driver_connection(connection)
        await driver.execute(f"SELECT pg_advisory_xact_lock_shared({LOCK})")
        for position, entry in mine:
            if isinstance(entry, Consents):
                await _decide(driver, position, entry)
            elif isinstance(entry, Restriction):
                await _restrict(driver, entry)
            else:
                counts = msgspec.json.encode(entry.counts, order="sorted").decode()
                place = (entry.workspace, entry.request, entry.service)
                await driver.execute(_CONFIRM, *place, position, entry.appended_at, counts)


async def _decide(driver: asyncpg.Connection, position: int, entry: Consents) -> None:
    latest = {(each.pseudonym.id, each.purpose): each.granted for each in entry.decisions}
    if not latest:
        return
    ordered = sorted(latest.items())
    what = (entry.workspace, position, entry.decided_at, entry.actor, entry.method, entry.notice)
    pseudonyms, purposes = zip(*(key for key, _ in ordered), strict=True)
    await driver.execute(_DECIDE, *what, list(pseudonyms), list(purposes), [granted for _, granted in ordered])


async def _restrict(driver: asyncpg.Connection, entry: Restriction) -> None:
    if entry.lifted:
        lift = "DELETE FROM restrictions WHERE workspace = $1 AND request = $2"
        await driver.execute(lift, entry.workspace, entry.request)
    else:
        pseudonyms = sorted({seed.id for seed in entry.seeds})
        await driver.execute(_RESTRICT, entry.workspace, entry.request, pseudonyms)
