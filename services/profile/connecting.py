"""A connection for reading; a database that is away is the caller's 503, not our 500."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common.consumer import passes
from libs.common.errors import AppError, Unavailable


@asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Raises Unavailable where the database cannot be reached or takes no work."""
    try:
        async with engine.connect() as connection:
            yield connection
    except AppError:
        raise
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        if not passes(error):
            raise
        raise Unavailable(f"the database does not answer ({type(error).__name__})") from error
