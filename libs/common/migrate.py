"""Schema migrations: one Alembic environment per service, one shared runner.

A service's `migrations/env.py` is three lines that call `run(metadata)`. Serving processes never migrate;
they refuse to start on a stale schema (`require_current`).
"""

from pathlib import Path
from typing import Any

from alembic import command, context
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.db import open_engine

ROOT = Path(__file__).resolve().parents[2]


class StaleSchema(Exception):
    """The schema is not at the newest migration; run `wanliu up` or the migrate job first."""


def _config(service: str, connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "services" / service / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def run(metadata: MetaData) -> None:
    """Called by env.py: runs migrations on the connection that `upgrade` or `downgrade` opened."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()


async def _on(engine: AsyncEngine, service: str, step: Any, revision: str) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: step(_config(service, sync), revision))


async def upgrade(url: str, schema: str, service: str, revision: str = "head") -> None:
    """Brings `schema` to `revision`. Another migrator of the same schema waits for this one."""
    async with open_engine(url, schema) as engine, engine.begin() as lock:
        await lock.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": f"migrate {schema}"})
        await _on(engine, service, command.upgrade, revision)


async def downgrade(url: str, schema: str, service: str, revision: str = "base") -> None:
    """Takes `schema` back to `revision`."""
    async with open_engine(url, schema) as engine:
        await _on(engine, service, command.downgrade, revision)


async def differences(url: str, schema: str, metadata: MetaData) -> list[Any]:
    """What the tables lack or have beyond `metadata`; empty when they agree."""

    def compare(sync: Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(sync), metadata))

    async with open_engine(url, schema) as engine, engine.connect() as connection:
        found = await connection.run_sync(compare)
    return [change for change in found if "alembic_version" not in str(change)]


async def require_current(engine: AsyncEngine, service: str) -> None:
    """Raises StaleSchema unless the schema is at the newest migration of this build."""

    def current(sync: Connection) -> str | None:
        return MigrationContext.configure(sync).get_current_revision()

    head = ScriptDirectory.from_config(_config(service)).get_current_head()
    async with engine.connect() as connection:
        found = await connection.run_sync(current)
    if found != head:
        raise StaleSchema(f"the schema of {service} is at {found}, this build needs {head}: run the migrations first")
