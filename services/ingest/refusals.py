"""Why an event is refused: a typed reason, where in the event, and what would be right.

`pointer` and `detail` stand in clear in the log, so they never hold a value, and a key only if it looks like
a name that a programmer chose. The event itself is kept sealed (see sealing.py).
"""

import re
from enum import StrEnum

import msgspec


class Reason(StrEnum):
    """A stable code; docs and dashboards rely on the text."""

    INVALID_JSON = "invalid_json"
    INVALID_UTF8 = "invalid_utf8"
    TOO_DEEP = "too_deep"
    TOO_LARGE = "too_large"
    INVALID_FIELD = "invalid_field"
    NUMBER_OUT_OF_RANGE = "number_out_of_range"
    NUL_CHARACTER = "nul_character"
    UNKNOWN_TYPE = "unknown_type"
    NO_EVENT_NAME = "no_event_name"
    NO_IDENTIFIER = "no_identifier"
    INVALID_TIMESTAMP = "invalid_timestamp"
    WRITE_KEY_MISMATCH = "write_key_mismatch"


class Refused(Exception):
    """This one event cannot be accepted; its batch goes on."""

    def __init__(self, reason: Reason, pointer: str, detail: str) -> None:
        super().__init__(reason)
        self.reason, self.pointer, self.detail = reason, pointer, detail


_KEY = re.compile(r"[A-Za-z_$][A-Za-z_$.-]{0,40}[0-9]{0,2}")
_PLACE = re.compile(r" - at `\$(?P<path>[^`]*)`")


def pointer_of(*path: str | int) -> str:
    """A JSON pointer (RFC 6901); a key that does not look like a name is shown as `*`."""
    return "".join(f"/{part}" if isinstance(part, int) or _KEY.fullmatch(part) else "/*" for part in path)


def from_decoder(error: Exception) -> Refused:
    """What msgspec found wrong, as a refusal. Its messages name types and places, never values."""
    if isinstance(error, RecursionError):
        return Refused(Reason.TOO_DEEP, "", "the event is nested too deeply")
    if isinstance(error, UnicodeDecodeError):
        return Refused(Reason.INVALID_UTF8, "", "the event is not valid UTF-8")
    if isinstance(error, msgspec.ValidationError):
        return _from_validation(str(error))
    return Refused(Reason.INVALID_JSON, "", str(error))


def _from_validation(message: str) -> Refused:
    place = _PLACE.search(message)
    pointer = _pointer_from_path(place["path"]) if place else ""
    reason = Reason.NUMBER_OUT_OF_RANGE if "out of range" in message else Reason.INVALID_FIELD
    return Refused(reason, pointer, _PLACE.sub("", message))


def _pointer_from_path(path: str) -> str:
    """`.context.page[...]` becomes `/context/page`; what lies below a free key is not named."""
    known = path.split("[", 1)[0]
    return pointer_of(*(part for part in known.split(".") if part))
