"""Passwords of the engines and the token signing key: made once per data directory, mode 0600."""

import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from libs.devstack.errors import StackError
from libs.devstack.layout import Layout


class Passwords(Protocol):
    """Who knows the passwords: a data directory, or a job's environment."""

    def password(self, engine: str, user: str) -> str:
        """The password of `user` at `engine`. Raises StackError when there is none."""
        ...


class Credentials:
    """The engines' passwords, read when first asked for."""

    def __init__(self, layout: Layout) -> None:
        self._path = layout.secrets / "passwords.json"
        self._known: dict[str, str] = {}

    def password(self, engine: str, user: str) -> str:
        """The password of `user` at `engine`. Raises StackError when none was made."""
        name = f"{engine}/{user}"
        if name not in self._known:
            self._known = self._load()
        if name not in self._known:
            raise StackError(f"{self._path} holds no password for {name}: `wanliu up` makes it")
        return self._known[name]

    def ensure(self, names: Iterable[str]) -> None:
        """Makes the passwords `engine/user` that are missing. Only for the supervisor, which is alone."""
        known = self._load()
        missing = [name for name in names if name not in known]
        if missing:
            self._known = {**known, **{name: secrets.token_urlsafe(24) for name in missing}}
            write_private(self._path, json.dumps(self._known, indent=1).encode())

    def _load(self) -> dict[str, str]:
        loaded: dict[str, str] = json.loads(self._path.read_text()) if self._path.exists() else {}
        return loaded


def ensure_token_keys(layout: Layout) -> None:
    """Makes the Ed25519 key pair that signs and verifies tokens, unless it is there."""
    if not (layout.token_private_key.exists() and layout.token_public_key.exists()):
        private, public = new_token_keys()
        write_private(layout.token_public_key, public)
        write_private(layout.token_private_key, private)


def new_token_keys() -> tuple[bytes, bytes]:
    """A fresh Ed25519 key pair in PEM: private, public."""
    key = Ed25519PrivateKey.generate()
    return (
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    )


def write_private(path: Path, data: bytes) -> None:
    """Replaces a file, all or nothing even when the machine dies; only its owner may read it."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
