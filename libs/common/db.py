"""PostgreSQL: one engine per process, one schema per service, chosen by the connection's search_path.

Tables carry no schema name, so the same code serves the live schema and the shadow that a replay builds.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine


@asynccontextmanager
async def open_engine(url: str, schema: str, *, pool_size: int = 5) -> AsyncIterator[AsyncEngine]:
    """An engine whose connections live in `schema`; closed at exit. asyncpg only."""
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        connect_args={"server_settings": {"search_path": schema, "jit": "off"}, "timeout": 10},
    )
    try:
        yield engine
    finally:
        await engine.dispose()


async def driver_connection(connection: AsyncConnection) -> asyncpg.Connection:
    """The asyncpg connection under `connection`, in the same transaction: for COPY and bulk statements."""
    driver: asyncpg.Connection = (await connection.get_raw_connection()).driver_connection
    if not driver.is_in_transaction():
        # SQLAlchemy begins when its first statement runs; what bypasses it would commit by itself.
        await connection.exec_driver_sql("SELECT 1")
    return driver
