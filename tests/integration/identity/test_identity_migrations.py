"""Identity's schema: up, as the tables say, down to nothing, up again."""

from sqlalchemy import text

from libs.common import migrate
from services.identity.tables import metadata
from tests.postgres import PostgresServer


async def test_migrations_make_exactly_the_tables_and_take_them_back(postgres: PostgresServer) -> None:
    async with postgres.empty("identity") as engine:
        url = engine.url.render_as_string(hide_password=False)
        await migrate.upgrade(url, "identity", "identity")
        assert await migrate.differences(url, "identity", metadata) == []
        await migrate.downgrade(url, "identity", "identity")
        async with engine.connect() as connection:
            left = await connection.execute(text("SELECT tablename FROM pg_tables WHERE schemaname = 'identity'"))
            assert left.scalars().all() == ["alembic_version"]
        await migrate.upgrade(url, "identity", "identity")
        assert await migrate.differences(url, "identity", metadata) == []
