"""Where a stack keeps its things: one data directory, everything inside, nothing outside."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class Layout:
    """The rooms of a data directory. Secrets, logs and engines' files are readable by their owner only."""

    root: Path

    @classmethod
    def at(cls, path: Path) -> Self:
        """The layout of a directory, however its path is written."""
        return cls(path.expanduser().resolve())

    @property
    def nats(self) -> Path:
        """JetStream's store and nats-server's configuration."""
        return self.root / "nats"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's cluster; owned by the user that the server runs as."""
        return self.root / "postgres"

    @property
    def vault(self) -> Path:
        """The vault's key encryption keys and key slots."""
        return self.root / "vault"

    @property
    def insights(self) -> Path:
        """The embedded ClickHouse's event history; one process opens it."""
        return self.root / "insights"

    @property
    def secrets(self) -> Path:
        """Passwords and the token signing key."""
        return self.root / "secrets"

    @property
    def logs(self) -> Path:
        """One log per process."""
        return self.root / "logs"

    @property
    def token_private_key(self) -> Path:
        """Signs tokens; only the `wanliu` command reads it."""
        return self.secrets / "token_private.pem"

    @property
    def token_public_key(self) -> Path:
        """Verifies tokens; every service reads it."""
        return self.secrets / "token_public.pem"

    @property
    def state(self) -> Path:
        """What runs: ports, pids. Holds no secret."""
        return self.root / "stack.json"

    @property
    def lock(self) -> Path:
        """Held by the supervisor as long as it lives."""
        return self.root / "lock"

    def log(self, process: str) -> Path:
        """The log of one process."""
        return self.logs / f"{process}.log"

    def create(self) -> None:
        """Makes the directories that are missing. The root can be passed through, not listed, by others:
        PostgreSQL may have to run as another user than the rest (see privileges.py)."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o711)
        for room in (self.nats, self.vault, self.insights, self.secrets, self.logs):
            room.mkdir(mode=0o700, exist_ok=True)
