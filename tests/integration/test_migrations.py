"""Every service's migrations lead to exactly its tables, and back."""

import importlib

import pytest

from libs.common import migrate
from tests.postgres import PostgresServer

SCHEMAS = {
    "ingest": "ingest",
    "identity": "identity",
    "profile": "profile",
    "segments": "segments",
    "insights": "insights",
    "privacy": "vault",
    "privacy/rights": "privacy",
}


@pytest.mark.parametrize("service", SCHEMAS)
async def test_migrations_make_the_tables_and_can_be_taken_back(postgres: PostgresServer, service: str) -> None:
    schema = SCHEMAS[service]
    metadata = importlib.import_module(f"services.{service.replace('/', '.')}.tables").metadata
    async with postgres.empty(schema) as engine:
        url = engine.url.render_as_string(hide_password=False)
        for _ in range(2):
            await migrate.upgrade(url, schema, service)
            assert await migrate.differences(url, schema, metadata) == []
            await migrate.require_current(engine, service)
            await migrate.downgrade(url, schema, service)
        with pytest.raises(migrate.StaleSchema, match="run the migrations"):
            await migrate.require_current(engine, service)
