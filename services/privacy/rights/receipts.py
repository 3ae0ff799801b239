"""Receipts of erasures: canonical JSON, signed with Ed25519, to be verified by whoever has the public key.

Canonical: keys sorted, no blanks, UTF-8, no floats: what RFC 8785 makes of such a document.
"""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_FILE = "receipts.key"
ALGORITHM = "Ed25519"


class ReceiptKey:
    """The key pair in the vault's directory, made when it is not there."""

    def __init__(self, directory: Path) -> None:
        path = directory / KEY_FILE
        if not path.exists():
            _create(path)
        loaded = serialization.load_pem_private_key(path.read_bytes(), None)
        if not isinstance(loaded, Ed25519PrivateKey):
            raise ValueError(f"{path} holds no Ed25519 key")
        self._key = loaded

    @property
    def public(self) -> str:
        """In PEM."""
        return public_pem(self._key.public_key())

    def sign(self, statement: Mapping[str, Any]) -> dict[str, Any]:
        """The receipt: the statement with its signature."""
        signature = base64.b64encode(self._key.sign(canonical(statement))).decode()
        key = key_id(self._key.public_key())
        return {"statement": dict(statement), "signature": {"algorithm": ALGORITHM, "key": key, "value": signature}}


def _create(path: Path) -> None:
    """Two processes may do this at once: one link wins, both read it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(private)
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def public_pem(key: Ed25519PublicKey) -> str:
    """A public key as it is published."""
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


def key_id(key: Ed25519PublicKey) -> str:
    """The name of a key: a hash of it."""
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return hashlib.sha256(raw).hexdigest()[:32]


def canonical(statement: Mapping[str, Any]) -> bytes:
    """The bytes that are signed."""
    return json.dumps(statement, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def verify(receipt: Mapping[str, Any], public: str) -> Mapping[str, Any]:
    """The statement of a receipt. Raises ValueError saying what is wrong with it."""
    key = serialization.load_pem_public_key(public.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("the key is no Ed25519 public key")
    try:
        statement, signature = receipt["statement"], receipt["signature"]
        named, value = signature["key"], base64.b64decode(signature["value"], validate=True)
    except (KeyError, TypeError, ValueError):
        raise ValueError("this is no receipt: it needs a statement and a signature") from None
    if named != key_id(key):
        raise ValueError(f"it was signed with key {named}, this is key {key_id(key)}")
    try:
        key.verify(value, canonical(statement))
    except (InvalidSignature, TypeError, ValueError):
        raise ValueError("the signature does not fit: the receipt was changed after it was signed") from None
    return dict(statement)
