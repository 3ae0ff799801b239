"""Identifiers of our own making, and their text forms."""

import secrets
from collections.abc import Callable
from hashlib import blake2b

NewId = Callable[[], str]
CUSTOMER_PREFIX = "cus_"


def new_id() -> str:
    """A fresh random 128-bit id as 32 hex digits."""
    return secrets.token_hex(16)


def birth_id(log_id: str, position: int, index: int) -> bytes:
    """The 16-byte customer id of a pseudonym first seen at `position` as number `index` of its entry."""
    return blake2b(f"{log_id}:{position}:{index}".encode(), digest_size=16, person=b"wanliu.customer").digest()


def customer_text(customer: bytes) -> str:
    """`cus_` and 32 hex digits."""
    return CUSTOMER_PREFIX + customer.hex()


def customer_bytes(text: str) -> bytes:
    """The 16 bytes behind a customer id's text. Raises ValueError when it is not one."""
    if not text.startswith(CUSTOMER_PREFIX) or len(text) != len(CUSTOMER_PREFIX) + 32:
        raise ValueError("a customer id is 'cus_' followed by 32 hex digits")
    return bytes.fromhex(text.removeprefix(CUSTOMER_PREFIX))
