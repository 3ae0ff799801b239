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
    """All spellings, and the encoded numbers that they would be."""

    needles: tuple[Needle, ...]
    encoded: tuple[bytes, ...]
    numbers: frozenset[int]
    encoded_numbers: tuple[bytes, ...]


def needles_of(values: Iterable[str]) -> Needles:
    """What to seek for these identifiers' raw and normalised values."""
    texts: dict[str, None] = {}
    numbers: dict[int, None] = {}
    for value in values:
        for text in _spellings(_lower(value)):
            texts[text] = None
            if text.isascii() and text.isdigit() and 6 <= len(text) <= 19:
                numbers[int(text)] = None
    # Longest first, so that what is left of a long spelling is not a half of it.
    found = tuple(_needle(text) for text in sorted(texts, key=len, reverse=True))
    forms = [form for number in numbers for form in (number, float(number))]
    return Needles(
        found,
        tuple(text.encode("utf-8", "replace") for text in texts),
        frozenset(numbers),
        tuple(_encode(form) for form in forms),
    )


def occur(needles: Needles, encoded: bytes) -> bool:
    """Whether any may stand in a msgpack-encoded body; never wrongly False."""
    lowered = encoded.lower()
    return any(needle in lowered for needle in needles.encoded) or any(
        number in encoded for number in needles.encoded_numbers
    )


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


def _spellings(text: str) -> Iterable[str]:
    yield text
    if text.startswith("+86"):
        yield text[3:]  # the national form, which the E.164 form contains
    quoted = quote(text, safe="").lower()
    if quoted != text:
        yield quoted


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
