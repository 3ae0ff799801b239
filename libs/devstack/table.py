"""The process table: every process of a stack, in one place.

The supervisor starts what stands here; docker-compose.yml and deploy/k8s describe the same, and a check
(deployment.py, run by `make check`) compares them name by name.
"""

from collections.abc import Sequence
from dataclasses import dataclass

HOST = "127.0.0.1"
DEFAULT_PORT_BASE = 8100
WORKER_OFFSET = 10
NATS_OFFSET, POSTGRES_OFFSET = 90, 91

COMMON_ENVIRONMENT = (
    "WANLIU_NATS_URL",
    "WANLIU_DATABASE_URL",
    "WANLIU_TOKEN_PUBLIC_KEY_FILE",
    "WANLIU_PARTITIONS",
    "WANLIU_WORKSPACE",
    "WANLIU_LOG_LEVEL",
)
VAULT_ENVIRONMENT = ("WANLIU_VAULT_DATABASE_URL", "WANLIU_VAULT_DIR")


@dataclass(frozen=True)
class Service:
    """One service: its HTTP API on port base + `offset`, its worker ten above. `extra` = its pip extra."""

    name: str
    offset: int
    extra: str | None = None
    environment: tuple[str, ...] = ()


@dataclass(frozen=True)
class Process:
    """One operating system process of a service: an ASGI app under uvicorn."""

    name: str
    service: Service
    factory: str
    offset: int
    reads_log: bool

    @property
    def environment(self) -> tuple[str, ...]:
        """The names of the environment variables it is given."""
        return COMMON_ENVIRONMENT + self.service.environment

    def command(self, python: str, host: str, port: int) -> tuple[str, ...]:
        """How it is started. No access log: it would hold query strings."""
        return (python, "-P", "-m", "uvicorn", self.factory, "--factory", *uvicorn_options(host, port))


def uvicorn_options(host: str, port: int) -> tuple[str, ...]:
    """What every process gets, wherever it runs."""
    return (
        *("--host", host, "--port", str(port)),
        *("--loop", "uvloop", "--http", "httptools", "--ws", "none", "--lifespan", "on"),
        *("--no-access-log", "--no-server-header", "--log-level", "warning"),
        *("--timeout-graceful-shutdown", "5"),
    )


SERVICES: Sequence[Service] = (
    Service("ingest", 1, extra="ingest"),
    Service("identity", 2),
    Service("profile", 3),
    Service("privacy", 6, environment=VAULT_ENVIRONMENT),
)


def processes() -> list[Process]:
    """All service processes, the vault's first: others ask it while they start."""
    ordered = sorted(SERVICES, key=lambda service: service.name != "privacy")
    return [process for service in ordered for process in _processes_of(service)]


def _processes_of(service: Service) -> tuple[Process, Process]:
    module = f"services.{service.name}"
    return (
        Process(f"{service.name}-worker", service, f"{module}.worker:create", service.offset + WORKER_OFFSET, True),
        Process(service.name, service, f"{module}.app:create", service.offset, False),
    )
