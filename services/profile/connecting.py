"""Single reads; a database that is away is the caller's 503, not our 500."""

from typing import Any

import asyncpg

from libs.common.consumer import passes
from libs.common.errors import Unavailable

# What asyncpg raises on a connection that the server closed while it was idle; the last when its farewell is
# still being read.
_DIED = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError, ConnectionError)


async def fetch(pool: asyncpg.Pool, statement: str, *values: Any) -> list[asyncpg.Record]:
    """All rows, as of one moment. Raises Unavailable where the database cannot be reached or takes no work."""
    try:
        return await _fetch(pool, statement, values)
    except (asyncpg.PostgresError, OSError, TimeoutError, *_DIED) as error:
        if not (isinstance(error, _DIED) or passes(error)):
            raise
        raise Unavailable(f"the database does not answer ({type(error).__name__})") from error


async def _fetch(pool: asyncpg.Pool, statement: str, values: tuple[Any, ...]) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record]
    try:
        rows = await pool.fetch(statement, *values)
    except _DIED:
        # A read may be asked again, on a new connection: the others in the pool are of the same age.
        await pool.expire_connections()
        rows = await pool.fetch(statement, *values)
    return rows
