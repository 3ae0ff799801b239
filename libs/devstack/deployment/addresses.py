"""Where things are in a deployment, and what its processes are told; the names are the process table's."""

from collections.abc import Callable, Mapping

from libs.devstack.nats import OPERATOR
from libs.devstack.postgres import MAIN_DATABASE, SUPERUSER, VAULT_DATABASE
from libs.devstack.provision import SERVICE_NAMES, password_variable
from libs.devstack.table import Process

IMAGE = "wanliu"
NATS_IMAGE, POSTGRES_IMAGE = "nats:2.15", "postgres:18"
NATS_PORT, POSTGRES_PORT = 4222, 5432
PORT_BASE = 8100
DIRECTORIES = {"vault": "/var/lib/wanliu/vault", "insights": "/var/lib/wanliu/insights"}
"""Where each volume is mounted."""
TOKEN_PUBLIC_KEY = "/run/secrets/token_public.pem"  # noqa: S105 - a path
USER_ID = 10001
SETTINGS = {"WANLIU_PARTITIONS": "1", "WANLIU_WORKSPACE": "default", "WANLIU_LOG_LEVEL": "INFO"}

Refer = Callable[[str], str]
"""Writes a reference to a variable the way a file format does: `${X}` or `$(X)`."""


def port(process: Process) -> int:
    """Where a process listens, on every address of its container."""
    return PORT_BASE + process.offset


def command(process: Process) -> list[str]:
    """How a container starts it."""
    return list(process.command("python", "0.0.0.0", port(process)))  # noqa: S104 - a container's own network


def image(extra: str | None) -> str:
    """The image with what a service needs and no more."""
    return f"{IMAGE}:{extra or 'base'}"


def nats_passwords() -> list[str]:
    """The variables of all broker users."""
    return [password_variable("nats", user) for user in (OPERATOR, *SERVICE_NAMES)]


def postgres_passwords() -> list[str]:
    """The variables of all database roles."""
    return [password_variable("postgres", role) for role in (SUPERUSER, *SERVICE_NAMES, VAULT_DATABASE)]


def passwords_of(process: Process) -> list[str]:
    """The variables of the passwords that a process's URLs hold."""
    service = process.service.name
    needed = [password_variable("nats", service), password_variable("postgres", service)]
    vault = "WANLIU_VAULT_DATABASE_URL" in process.environment
    return [*needed, password_variable("postgres", VAULT_DATABASE)] if vault else needed


def environment(process: Process, refer: Refer) -> Mapping[str, str]:
    """What a process is told: the process table's names, in its order."""
    service = process.service.name
    values = {
        "WANLIU_NATS_URL": f"nats://{service}:{refer(password_variable('nats', service))}@nats:{NATS_PORT}",
        "WANLIU_DATABASE_URL": _database(service, MAIN_DATABASE, refer),
        "WANLIU_VAULT_DATABASE_URL": _database(VAULT_DATABASE, VAULT_DATABASE, refer),
        "WANLIU_VAULT_DIR": DIRECTORIES["vault"],
        "WANLIU_INSIGHTS_DIR": DIRECTORIES["insights"],
        "WANLIU_TOKEN_PUBLIC_KEY_FILE": TOKEN_PUBLIC_KEY,
        **SETTINGS,
    }
    return {name: values[name] for name in process.environment}


def _database(role: str, database: str, refer: Refer) -> str:
    password = refer(password_variable("postgres", role))
    return f"postgresql+asyncpg://{role}:{password}@postgres:{POSTGRES_PORT}/{database}"
