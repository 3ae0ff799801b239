"""Finding the events of a batch that is not JSON as a whole, because one of its events is not.

Clients do send `NaN` (Python's json writes it), broken escapes and JSON bombs. One such event must not fail its
batch, so only strings and brackets are followed here, without recursion; each piece is then parsed strictly.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{},"]', re.DOTALL)
_KEY = re.compile(rb'\s*("(?:[^"\\]|\\.)*")\s*:\s*', re.DOTALL)


class Salvaged(NamedTuple):
    """The envelope as a JSON object without the batch, and the batch's elements."""

    envelope: bytes
    elements: list[bytes]


def salvage(body: bytes, field: bytes = b"batch") -> Salvaged | None:
    """The elements of the top-level array `field`; None when the body has no such balanced array."""
    text = body.strip()
    if not (text.startswith(b"{") and text.endswith(b"}")):
        return None
    members = _split(text)
    if members is None:
        return None
    others: list[bytes] = []
    array: bytes | None = None
    for member in members:
        if (match := _KEY.match(member)) and match[1] == b'"' + field + b'"':
            array = member[match.end() :].strip()
        else:
            others.append(member)
    if array is None or not (array.startswith(b"[") and array.endswith(b"]")):
        return None
    elements = _split(array)
    return None if elements is None else Salvaged(b"{" + b",".join(others) + b"}", elements)


def _split(text: bytes) -> list[bytes] | None:
    """The comma-separated pieces inside the outermost brackets; None when these close before the end."""
    pieces: list[bytes] = []
    start = 1
    for at, depth in _commas_and_end(text):
        if depth == 0:
            rest = text[start:at].strip()
            pieces += [rest] if rest else []  # nothing in an empty array, nor after a trailing comma
            return pieces if at == len(text) - 1 else None
        pieces.append(text[start:at].strip())
        start = at + 1
    return None


def _commas_and_end(text: bytes) -> Iterator[tuple[int, int]]:
    """Where the outermost level has commas (depth 1), and where it ends (depth 0)."""
    depth = 0
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in (b"[", b"{"):
            depth += 1
        elif token in (b"]", b"}"):
            depth -= 1
            if depth == 0:
                yield match.start(), 0
                return
        elif token == b'"':  # a text without end
            return
        elif token == b"," and depth == 1:
            yield match.start(), 1
