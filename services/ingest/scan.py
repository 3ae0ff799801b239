"""Personal data that leaked into an event's properties, traits or page: found by key or by shape, and blanked.

Thin on purpose: keys of the personal table, email addresses, resident-ID numbers with a right checksum, and
mainland mobiles inside a longer text (a bare 11-digit text may be an order number; its key decides).
"""

import re
from collections import Counter
from functools import lru_cache
from typing import Any, NamedTuple

from services.ingest.identifiers import MAX_KEY, fold
from services.ingest.personal import STRICT_KEYS

_EMAIL = re.compile(r"[\w.+-]{1,64}(?:@|%40)[\w-]+(?:\.[\w-]+)+", re.ASCII)
_BIRTH_DATE = r"(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"
_RESIDENT_ID = re.compile(rf"(?<![0-9A-Za-z])[1-9][0-9]{{5}}{_BIRTH_DATE}[0-9]{{3}}[0-9Xx](?![0-9A-Za-z])")
_MOBILE = re.compile(r"(?<![0-9])(?:(?:\+|%2[Bb])?86)?1[3-9][0-9]{9}(?![0-9])")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_DIGITS_TO_ZERO = bytes.maketrans(b"123456789", b"000000000")
_MOBILE_DIGITS = b"0" * 11
_ADDRESS_BYTES = frozenset(b"+-._0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


class Scanned(NamedTuple):
    """The value without leaks, and how many of each sort there were."""

    value: Any
    counts: Counter[str]


def is_suspicious(encoded: bytes) -> bool:
    """Whether a msgpack-encoded body *may* hold a leak by shape; never wrongly False."""
    return _may_hold_email(encoded) or _MOBILE_DIGITS in encoded.translate(_DIGITS_TO_ZERO)


def _may_hold_email(encoded: bytes) -> bool:
    """An @ between characters of an address; as a lone byte it also occurs in encoded numbers."""
    at = encoded.find(b"@")
    while at >= 0:
        if encoded[at - 1] in _ADDRESS_BYTES and encoded[at + 1 : at + 2] and encoded[at + 1] in _ADDRESS_BYTES:
            return True
        at = encoded.find(b"@", at + 1)
    return b"%40" in encoded


def has_personal_key(value: Any) -> bool:
    """Whether a personal key stands anywhere in a tree of properties."""
    if isinstance(value, dict):
        for key, item in value.items():
            if is_strict(key) or (isinstance(item, dict | list) and has_personal_key(item)):
                return True
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, dict | list) and has_personal_key(item):
                return True
    return False


def scan(value: Any, *, keys: bool) -> Scanned:
    """Blanks leaks by shape, and by key where `keys` (in properties; traits are split by personal.py)."""
    counts: Counter[str] = Counter()
    return Scanned(_scan(value, keys, counts), counts)


def is_strict(key: str) -> bool:
    """Whether a property of this key is personal."""
    return len(key) <= MAX_KEY and _is_strict(key)


@lru_cache(maxsize=4096)
def _is_strict(key: str) -> bool:
    return fold(key) in STRICT_KEYS


def is_resident_id(text: str) -> bool:
    """Whether 18 characters carry the checksum of GB 11643 (ISO 7064 MOD 11-2)."""
    total = sum(int(digit) * weight for digit, weight in zip(text[:17], _WEIGHTS, strict=True))
    return "10X98765432"[total % 11] == text[17].upper()


def _scan(value: Any, keys: bool, counts: Counter[str]) -> Any:
    if isinstance(value, str):
        return _scan_text(value, counts)
    if isinstance(value, list):
        return [_scan(item, keys, counts) for item in value]
    if isinstance(value, dict):
        return {key: _scan_field(key, item, keys, counts) for key, item in value.items()}
    return value


def _scan_field(key: str, value: Any, keys: bool, counts: Counter[str]) -> Any:
    if keys and is_strict(key) and value not in (None, ""):
        counts["key"] += 1
        return "[personal]"
    return _scan(value, keys, counts)


def _scan_text(text: str, counts: Counter[str]) -> str:
    if "@" in text or "%40" in text:
        text = _blank(_EMAIL, "email", text, counts)
    if len(text) > 11:
        text = _RESIDENT_ID.sub(lambda match: _checked(match[0], counts), text)
        text = _blank(_MOBILE, "phone", text, counts)
    return text


def _blank(pattern: re.Pattern[str], what: str, text: str, counts: Counter[str]) -> str:
    text, found = pattern.subn(f"[{what}]", text)
    if found:
        counts[what] += found
    return text


def _checked(number: str, counts: Counter[str]) -> str:
    if not is_resident_id(number):
        return number
    counts["resident_id"] += 1
    return "[resident_id]"
