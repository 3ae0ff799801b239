"""What no body may hold, because some reader could not store or read it: checked only where it is possible."""

from collections.abc import Mapping
from typing import Any

from services.ingest.refusals import Reason, Refused, pointer_of

MAX_DEPTH = 32
_SMALLEST, _LARGEST = -(2**63), 2**64 - 1  # what msgpack holds


def is_suspicious(raw: bytes) -> bool:
    """Whether an event's JSON *may* break `check`: as cheap as counting bytes, never wrongly False.

    Integers too large are not looked for; the msgpack encoder finds them.
    """
    return b"\\u0000" in raw or raw.count(b"[") + raw.count(b"{") > MAX_DEPTH


def check(value: Any, path: tuple[str | int, ...] = ()) -> None:
    """Raises Refused for NUL characters, integers beyond 64 bits, and nesting beyond MAX_DEPTH."""
    if isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, dict):
        _check_depth(path)
        _check_fields(value, path)
    elif isinstance(value, list):
        _check_depth(path)
        for index, item in enumerate(value):
            check(item, (*path, index))
    elif isinstance(value, int) and not _SMALLEST <= value <= _LARGEST:
        raise Refused(Reason.NUMBER_OUT_OF_RANGE, pointer_of(*path), "an integer must fit into 64 bits")


def _check_fields(fields: Mapping[str, Any], path: tuple[str | int, ...]) -> None:
    for key, value in fields.items():
        _check_text(key, path)
        check(value, (*path, key))


def _check_text(text: str, path: tuple[str | int, ...]) -> None:
    if "\0" in text:
        raise Refused(Reason.NUL_CHARACTER, pointer_of(*path), "a text must not hold the character U+0000")


def _check_depth(path: tuple[str | int, ...]) -> None:
    if len(path) > MAX_DEPTH:
        raise Refused(Reason.TOO_DEEP, pointer_of(*path[:4]), f"the event is nested deeper than {MAX_DEPTH}")
