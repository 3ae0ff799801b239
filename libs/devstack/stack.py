"""A stack as its operator sees it: addresses, credentials, environments, tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from libs.common import auth
from libs.common.clock import SystemClock
from libs.devstack.credentials import Credentials
from libs.devstack.errors import StackError
from libs.devstack.layout import Layout
from libs.devstack.postgres import VAULT_DATABASE, Server
from libs.devstack.state import StackState
from libs.devstack.table import HOST, NATS_OFFSET, POSTGRES_OFFSET, SERVICES, Process, processes

OPERATOR_TOKEN_SECONDS = 300


@dataclass(frozen=True)
class Stack:
    """Everything that follows from the data directory and a few choices."""

    layout: Layout
    credentials: Credentials
    port_base: int
    partitions: int
    workspace: str
    log_level: str = "INFO"

    @classmethod
    def open(cls, layout: Layout) -> Self:
        """The stack that runs, or last ran, in a directory. Raises StackError when there never was one."""
        state = StackState.load(layout)
        return cls(layout, Credentials(layout), state.port_base, state.partitions, state.workspace)

    @property
    def nats_port(self) -> int:
        """Where nats-server listens."""
        return self.port_base + NATS_OFFSET

    @property
    def postgres_port(self) -> int:
        """Where PostgreSQL listens."""
        return self.port_base + POSTGRES_OFFSET

    def port(self, process: Process) -> int:
        """Where a service process listens."""
        return self.port_base + process.offset

    def ports(self) -> dict[str, int]:
        """The port of every process, engines first."""
        services = {process.name: self.port(process) for process in processes()}
        return {"nats": self.nats_port, "postgres": self.postgres_port, **services}

    def url(self, service: str) -> str:
        """The base URL of a service's HTTP API. Raises StackError for a name that is no service."""
        for known in SERVICES:
            if known.name == service:
                return f"http://{HOST}:{self.port_base + known.offset}"
        raise StackError(f"there is no service {service!r}; there are {', '.join(s.name for s in SERVICES)}")

    def nats_url(self, user: str) -> str:
        """Where and as whom to connect to the broker."""
        return f"nats://{user}:{self.credentials.password('nats', user)}@{HOST}:{self.nats_port}"

    @property
    def postgres(self) -> Server:
        """The database server."""
        return Server(self.credentials, self.postgres_port)

    def environment(self, process: Process) -> dict[str, str]:
        """What a process is told; exactly the names of the process table."""
        service = process.service.name
        values = {
            "WANLIU_NATS_URL": self.nats_url(service),
            "WANLIU_DATABASE_URL": self.postgres.url(service),
            "WANLIU_VAULT_DATABASE_URL": self.postgres.url(VAULT_DATABASE, VAULT_DATABASE),
            "WANLIU_VAULT_DIR": str(self.layout.vault),
            "WANLIU_INSIGHTS_DIR": str(self.layout.insights),
            "WANLIU_TOKEN_PUBLIC_KEY_FILE": str(self.layout.token_public_key),
            "WANLIU_PARTITIONS": str(self.partitions),
            "WANLIU_WORKSPACE": self.workspace,
            "WANLIU_LOG_LEVEL": self.log_level,
        }
        return {name: values[name] for name in process.environment}

    def token(
        self,
        scopes: Sequence[str],
        purposes: Sequence[str] = (),
        *,
        subject: str = "operator",
        ttl: int = OPERATOR_TOKEN_SECONDS,
    ) -> str:
        """A signed token for this stack's workspace. Raises StackError on an unknown scope or purpose."""
        try:
            return auth.issue(
                self.layout.token_private_key.read_text(),
                subject=subject,
                workspace=self.workspace,
                scopes=scopes,
                purposes=purposes,
                lifetime_seconds=ttl,
                clock=SystemClock(),
            )
        except ValueError as error:
            raise StackError(str(error)) from None
