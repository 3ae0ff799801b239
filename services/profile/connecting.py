"""Single reads; a database that is away is the caller's 503, not our 500."""

from typing import Any

import asyncpg

from libs.common.consumer import passes
from libs.common.errors import Unavailable


async def fetch(pool: asyncpg.Pool, statement: str, *values: Any) -> list[asyncpg.Record]:
    """All rows, as of one moment. Raises Unavailable where the database cannot be reached or takes no work."""
    try:
        return await _fetch(pool, statement, values)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        if not passes(error):
            raise
        raise Unavailable(f"the database does not answer ({type(error).__name__})") from error


async def _fetch(pool: asyncpg.Pool, statement: str, values: tuple[Any, ...]) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record]
    try:
        rows = await pool.fetch(statement, *values)
    except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, ConnectionError):
        # A connection that died while it was idle; a read may be asked again.
        rows = await pool.fetch(statement, *values)
    return rows
