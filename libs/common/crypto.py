"""Cryptographic suites, side by side, chosen per workspace: `intl-v1` and `gm-v1` (国密).

| suite | keyed hash | sealing (AEAD) |
|---|---|---|
| intl-v1 | HMAC-SHA-256 (RFC 2104, FIPS 198-1) | AES-256-GCM (NIST SP 800-38D) |
| gm-v1 | HMAC-SM3 (GB/T 32905) | SM4-GCM (GB/T 32907, RFC 8998) |

Sealed bytes are `nonce (12) || ciphertext || tag (16)` with a random nonce. Associated data names the suite
and what the bytes belong to, so that a ciphertext moved elsewhere does not open.
"""

import hashlib
import hmac
import os
from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import hmac as openssl_hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE, TAG = 12, 16


class CannotOpen(Exception):
    """Wrong key, wrong associated data or damaged bytes; which of them is not told."""


class Sealer(Protocol):
    """Seals and opens under one key."""

    def seal(self, plaintext: bytes, associated: bytes) -> bytes: ...

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Raises CannotOpen."""
        ...


class _AesSealer:
    __slots__ = ("_aead",)

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, plaintext: bytes, associated: bytes) -> bytes:
        nonce = os.urandom(NONCE)
        return nonce + self._aead.encrypt(nonce, plaintext, associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        try:
            return self._aead.decrypt(sealed[:NONCE], sealed[NONCE:], associated)
        except (InvalidTag, ValueError):
            raise CannotOpen from None


class _Sm4Sealer:
    __slots__ = ("_algorithm",)

    def __init__(self, key: bytes) -> None:
        self._algorithm = algorithms.SM4(key)

    def seal(self, plaintext: bytes, associated: bytes) -> bytes:
        nonce = os.urandom(NONCE)
        encryptor = Cipher(self._algorithm, modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(associated)
        return nonce + encryptor.update(plaintext) + encryptor.finalize() + encryptor.tag

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        try:
            nonce, body, tag = sealed[:NONCE], sealed[NONCE:-TAG], sealed[-TAG:]
            decryptor = Cipher(self._algorithm, modes.GCM(nonce, tag)).decryptor()
            decryptor.authenticate_additional_data(associated)
            # Plaintext leaves this function only after finalize() has checked the tag.
            return decryptor.update(body) + decryptor.finalize()
        except (InvalidTag, ValueError):
            raise CannotOpen from None


class Suite:
    """One set of algorithms; `name` is part of everything sealed under it."""

    def __init__(self, name: str, key_bytes: int) -> None:
        self.name = name
        self.key_bytes = key_bytes

    def new_key(self) -> bytes:
        """A random key of this suite's length."""
        return os.urandom(self.key_bytes)

    def sealer(self, key: bytes) -> Sealer:
        """Seals under `key`; making one costs about as much as one use, so keep it for a batch."""
        return _Sm4Sealer(key) if self.name == "gm-v1" else _AesSealer(key)

    def keyed_hash(self, key: bytes, data: bytes) -> bytes:
        """32 bytes."""
        if self.name == "gm-v1":
            mac = openssl_hmac.HMAC(key, hashes.SM3())
            mac.update(data)
            return mac.finalize()
        return hmac.digest(key, data, "sha256")


SUITES = {"intl-v1": Suite("intl-v1", 32), "gm-v1": Suite("gm-v1", 16)}


def associated(suite: str, workspace: str, field: str, *ids: bytes) -> bytes:
    """Associated data: unambiguous because every part carries its length."""
    return _parts(suite, workspace, field) + b"".join([len(part).to_bytes(2, "big") + part for part in ids])


@lru_cache(maxsize=1024)
def _parts(*names: str) -> bytes:
    return b"".join(len(part).to_bytes(2, "big") + part for part in map(str.encode, names))


def body_associated(suite: str, workspace: str, binding: bytes, event: bytes) -> bytes:
    """Associated data of an event's body."""
    return associated(suite, workspace, "body", binding, event)


def binding_id(workspace: str, pseudonyms: Iterable[bytes]) -> bytes:
    """The 16-byte id of a set of pseudonyms: a hash of the sorted set, the same for every order."""
    digest = hashlib.blake2b(workspace.encode() + b"\0", digest_size=16, person=b"wanliu.binding")
    for pseudonym in sorted(set(pseudonyms)):
        digest.update(pseudonym)
    return digest.digest()


def self_test() -> None:
    """Known answers of every suite. Raises RuntimeError; a process that cannot compute them must not start."""
    sm3_abc = hashes.Hash(hashes.SM3())
    sm3_abc.update(b"abc")
    sm4_key = bytes.fromhex("0123456789abcdeffedcba9876543210")
    sm4 = Cipher(algorithms.SM4(sm4_key), modes.ECB()).encryptor()  # noqa: S305 - GB/T 32907 test vector
    sha = hmac.digest(b"key", b"The quick brown fox jumps over the lazy dog", "sha256")
    aes = AESGCM(bytes(32)).encrypt(bytes(12), bytes(16), b"")
    known = (
        sm3_abc.finalize().hex() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
        and sm4.update(sm4_key).hex() == "681edf34d206965e86b3e94f536e4246"
        and sha.hex() == "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
        and aes.hex() == "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
    )
    if not known:
        raise RuntimeError("the cryptographic self-test failed: this OpenSSL computes wrong answers")
    for suite in SUITES.values():
        sealer = suite.sealer(suite.new_key())
        if sealer.open(sealer.seal(b"wanliu", b"ad"), b"ad") != b"wanliu":
            raise RuntimeError(f"the cryptographic self-test failed: {suite.name} does not open what it sealed")
