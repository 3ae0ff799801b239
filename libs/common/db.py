"""PostgreSQL: one engine per process, one schema per service, chosen by the connection's search_path.

Tables carry no schema name, so the same code serves the live schema and the shadow that a replay builds.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine


@asynccontextmanager
async def open_engine(url: str, schema: str, *, pool_size: int = 5) -> AsyncIterator[AsyncEngine]:
    """An engine whose connections live in `schema`; closed at exit. asyncpg only."""
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        hide_parameters=True,  # errors reach logs and /readyz: they name the statement, never its values
        connect_args={"server_settings": {"search_path": schema, "jit": "off"}, "timeout": 10},
    )
    try:
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def open_pool(url: str, schema: str, *, size: int = 5) -> AsyncIterator[asyncpg.Pool]:
    """The driver's own pool in `schema`, for single reads: no transaction, ping or reset around a statement.

    Sequential scans are off: a plan made while tables were small must not be kept when they are large.
    """
    dsn = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    options = {"search_path": schema, "jit": "off", "enable_seqscan": "off"}
    pool = await asyncpg.create_pool(dsn, min_size=0, max_size=size, server_settings=options, timeout=10, reset=_keep)
    try:
        yield pool
    finally:
        pool.terminate()


async def _keep(_: asyncpg.Connection) -> None:
    """What the pool does instead of resetting a connection that only reads."""


async def driver_connection(connection: AsyncConnection) -> asyncpg.Connection:
    """The asyncpg connection under `connection`, in the same transaction: for COPY and bulk statements."""
    driver: asyncpg.Connection = (await connection.get_raw_connection()).driver_connection
    if not driver.is_in_transaction():
        # SQLAlchemy begins when its first statement runs; what bypasses it would commit by itself.
        await connection.exec_driver_sql("SELECT 1")
    return driver
