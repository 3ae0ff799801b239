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
INSIGHTS_ENVIRONMENT = ("WANLIU_INSIGHTS_DIR",)


@dataclass(frozen=True)
class Service:
    """One service: its HTTP API on port base + `offset`, its worker ten above. `extra` = its pip extra.

    `volume` names the directory that it keeps files in; `alone` that one process serves and reads the log, because
    only one may open those files.
    """

    name: str
    offset: int
    extra: str | None = None
    environment: tuple[str, ...] = ()
    volume: str | None = None
    alone: bool = False


@dataclass(frozen=True)
class Process:
    """One operating system process of a service: an ASGI app under uvicorn. `serves` = it has an HTTP API."""

    name: str
    service: Service
    factory: str
    offset: int
    reads_log: bool
    serves: bool

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
    Service("segments", 4),
    Service("insights", 5, extra="insights", environment=INSIGHTS_ENVIRONMENT, volume="insights", alone=True),
    Service("privacy", 6, environment=VAULT_ENVIRONMENT, volume="vault"),
)


def processes() -> list[Process]:
    """All service processes, the vault's first: others ask it while they start."""
    ordered = sorted(SERVICES, key=lambda service: service.name != "privacy")
    return [process for service in ordered for process in _processes_of(service)]


def _processes_of(service: Service) -> tuple[Process, ...]:
    module = f"services.{service.name}"
    app = Process(service.name, service, f"{module}.app:create", service.offset, service.alone, True)
    if service.alone:
        return (app,)
    offset = service.offset + WORKER_OFFSET
    return (Process(f"{service.name}-worker", service, f"{module}.worker:create", offset, True, False), app)
