"""What stands between running engines and running services: roles, schemas, migrations, streams.

`wanliu up` calls these functions; in a cluster `python -m libs.devstack.provision` is the job that runs before
the services of a new version start. It needs no extra of the distribution, and may be run again at any time.
"""

import asyncio
import os
import sys

import asyncpg
from alembic.util.exc import CommandError
from sqlalchemy.exc import SQLAlchemyError

from libs.common import migrate
from libs.common.eventlog.base import LogUnavailable, events_stream, segments_stream, stitched_stream
from libs.common.eventlog.jetstream import JetStreamLog, connect
from libs.devstack import postgres
from libs.devstack.errors import StackError
from libs.devstack.table import SERVICES

ENGINE_WAIT_SECONDS = 60
SERVICE_NAMES = tuple(service.name for service in SERVICES)


async def make_schemas(server: postgres.Server) -> None:
    """Databases, roles and schemas, each at its newest migration."""
    schemas = postgres.schemas(SERVICE_NAMES)
    await postgres.provision(server, schemas)
    for schema in schemas:
        if schema.service is not None:
            await _migrate(server, schema, schema.service)


async def _migrate(server: postgres.Server, schema: postgres.Schema, service: str) -> None:
    try:
        await migrate.upgrade(server.url(schema.role, schema.database), schema.role, service)
    except (CommandError, SQLAlchemyError) as error:
        raise StackError(f"schema {schema.role} of database {schema.database} cannot be migrated: {error}") from error


async def make_streams(operator_url: str, partitions: int) -> None:
    """The log's streams, where they are missing."""
    async with connect(operator_url, "wanliu provision", patience=ENGINE_WAIT_SECONDS) as client:
        log = JetStreamLog(client)
        names = [name(p) for p in range(partitions) for name in (events_stream, stitched_stream, segments_stream)]
        await asyncio.gather(*(log.ensure(name) for name in names))


def password_variable(engine: str, user: str) -> str:
    """The environment variable that a deployment keeps a password in."""
    return f"{engine}_{user}_PASSWORD".upper()


class EnvironmentPasswords:
    """Passwords from the environment, where a deployment's secrets put them."""

    def password(self, engine: str, user: str) -> str:
        """See credentials.Passwords."""
        name = password_variable(engine, user)
        if not os.environ.get(name):
            raise StackError(f"the environment has no {name}")
        return os.environ[name]


async def _wait_for(server: postgres.Server) -> None:
    deadline = asyncio.get_running_loop().time() + ENGINE_WAIT_SECONDS
    while True:
        try:
            await (await server.connect()).close()
            return
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError) as error:
            if asyncio.get_running_loop().time() > deadline:
                raise StackError(f"PostgreSQL does not answer on {server.host}:{server.port} ({error})") from None
            await asyncio.sleep(1)


async def provision_from_environment() -> None:
    """The job: waits for the engines, then makes everything. Raises StackError when something is missing."""
    passwords, partitions = EnvironmentPasswords(), int(os.environ.get("WANLIU_PARTITIONS", "1"))
    host, _, port = os.environ.get("WANLIU_POSTGRES", "postgres:5432").partition(":")
    server = postgres.Server(passwords, int(port), host)
    await _wait_for(server)
    await make_schemas(server)
    nats = os.environ.get("WANLIU_NATS", "nats:4222")
    try:
        await make_streams(f"nats://operator:{passwords.password('nats', 'operator')}@{nats}", partitions)
    except LogUnavailable as error:
        raise StackError(f"nats-server does not answer on {nats} ({error})") from None


def main() -> int:
    """0 when everything is there, 1 with a message otherwise."""
    try:
        asyncio.run(provision_from_environment())
    except StackError as error:
        print(f"provision: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
