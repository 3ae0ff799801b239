"""An event's own identifiers do not stand in its body a second time: not as values, not in a URL, not in a key.

The common event holds none, and that is known from one look at its encoded bytes; only then is it walked.
"""

import re
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

REDACTED = "[redacted]"
_LONG = 8
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_SAME_IN_URLS = re.compile(r"[a-z0-9_.~-]*").fullmatch
_encode = msgspec.msgpack.Encoder().encode


class Needle(NamedTuple):
    """One spelling of an identifier, in lower case (ASCII).

    Where it is sought depends on how much it says: from 8 characters on anywhere; shorter ones as a whole
    word; a lone character or up to three digits only as a whole text, or every "1" would vanish.
    """

    text: str
    anywhere: bool
    within: bool


class Needles(NamedTuple):
    """All spellings, longest first, and the numbers that they would be."""

    needles: tuple[Needle, ...]
    numbers: frozenset[int]


def needles_of(values: Iterable[str]) -> Needles:
    """What to seek for these identifiers' raw and normalised values."""
    texts = {text for value in values for text in _spellings(_lower(value))}
    # Longest first, so that what is left of a long spelling is not a half of it.
    ordered = sorted(texts, key=lambda text: (-len(text), text))
    return Needles(tuple(_needle(text) for text in ordered), frozenset(filter(None, map(_number, ordered))))


def occur(values: Iterable[str], encoded: bytes) -> bool:
    """Whether any of these identifiers may stand in a msgpack-encoded body; never wrongly False."""
    lowered = encoded.lower()
    for value in values:
        for text in _spellings(_lower(value)):
            if text.encode("utf-8", "replace") in lowered:
                return True
            number = _number(text)
            if number is not None and (_encode(number) in encoded or _encode(float(number)) in encoded):
                return True
    return False


def redact(value: Any, needles: Needles) -> Any:
    """The value with each identifier replaced, in texts, numbers and keys."""
    if isinstance(value, str):
        return _redact_text(value, needles)
    if isinstance(value, dict):
        return {_redact_text(key, needles): redact(item, needles) for key, item in value.items()}
    if isinstance(value, list):
        return [redact(item, needles) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool) and value in needles.numbers:
        return REDACTED
    return value


def _spellings(text: str) -> tuple[str, ...]:
    """As it is and as in a URL; a mainland phone in its national form too, which the E.164 form contains."""
    if _SAME_IN_URLS(text):
        return (text,)
    quoted = quote(text, safe="").lower()
    return (text, quoted, text[3:]) if text.startswith("+86") else (text, quoted)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and 6 <= len(text) <= 19 else None


def _needle(text: str) -> Needle:
    anywhere = len(text) >= _LONG
    within = anywhere or len(text) >= 4 or (len(text) >= 2 and not text.isdigit())
    return Needle(text, anywhere, within)


def _lower(text: str) -> str:
    return text.lower() if text.isascii() else text.translate(_ASCII_LOWER)


def _redact_text(text: str, needles: Needles) -> str:
    lowered = _lower(text)
    for needle in needles.needles:
        if needle.text not in lowered:
            continue
        if needle.text == lowered.strip():
            return REDACTED
        if needle.within:
            text = _pattern(needle).sub(REDACTED, text)
            lowered = _lower(text)
    return text


def _pattern(needle: Needle) -> re.Pattern[str]:
    core = re.escape(needle.text)
    flags = re.IGNORECASE | re.ASCII
    return re.compile(core if needle.anywhere else rf"(?<![A-Za-z0-9]){core}(?![A-Za-z0-9])", flags)
