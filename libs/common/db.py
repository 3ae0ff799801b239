"""PostgreSQL: one engine per process, one schema per service, chosen by the connection's search_path.

Tables carry no schema name, so the same code serves the live schema and the shadow that a replay builds.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine


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
