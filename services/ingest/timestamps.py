"""When an event happened, in microseconds since the Unix epoch, UTC."""

import re
from datetime import UTC, datetime

from libs.common.clock import DAY, SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(3000, 1, 1, tzinfo=UTC)
_LIMIT = int((_LATEST - _EPOCH).total_seconds()) * SECOND
_LOOSE = re.compile(
    r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]+(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,](\d{1,9}))?)?)? ?(Z|[+-].+)?"
)
# How many units make a microsecond, by the size of the number: seconds until the year 5138, then
# milliseconds, then microseconds.
_UNITS = ((10**11, SECOND), (10**14, 1000), (10**17, 1))


def parse(value: str | int | float) -> int:
    """Reads ISO 8601 and what systems write beside it; a time without a zone is UTC, as Segment reads it.

    Numbers are seconds, milliseconds or microseconds since the epoch, by their size. Raises ValueError when
    it is no time from 1970 to 2999.
    """
    micros = _from_text(value.strip()) if isinstance(value, str) else _from_number(value)
    if not 0 <= micros < _LIMIT:
        raise ValueError("not a time from 1970 to 2999")
    return micros


def occurred(original: int | None, sent: int | None, received: int) -> int:
    """The event's time on our clock: `received - (sent - original)`, which cancels the sender's clock error.

    (Segment's rule.) Without `sent` the sender's clock is believed; without `original` it happened when it
    was received. Nothing happens after it was received, or before 1970.
    """
    if original is None:
        return received
    corrected = original if sent is None else received - (sent - original)
    return max(0, min(corrected, received))


def _from_number(value: int | float) -> int:
    for limit, factor in _UNITS:
        if 0 <= value < limit:
            return int(value * factor) if isinstance(value, float) else value * factor
    raise ValueError("not a time since the epoch")


def _from_text(text: str) -> int:
    if text.isdigit():
        return _from_digits(text)
    try:
        return _micros(datetime.fromisoformat(text))
    except ValueError:
        return _micros(datetime.fromisoformat(_tidied(text)))


def _from_digits(text: str) -> int:
    if len(text) == 14:  # 20261121185959, usual in Chinese payment and store systems
        return _micros(datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC))
    if len(text) == 8:
        return _micros(datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC))
    if len(text) in (10, 13, 16):
        return _from_number(int(text))
    raise ValueError("digits that are no time")


def _tidied(text: str) -> str:
    """`2026/1/2 3:04` as ISO 8601."""
    match = _LOOSE.fullmatch(text)
    if match is None:
        raise ValueError("not ISO 8601")
    year, month, day, hour, minute, second, fraction, zone = (part or "" for part in match.groups())
    date = f"{year}-{month:0>2}-{day:0>2}"
    if not hour:
        return date
    return f"{date}T{hour:0>2}:{minute:0>2}:{second:0>2}.{fraction[:6]:0<6}{zone}"


def _micros(moment: datetime) -> int:
    delta = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    return delta.days * DAY + delta.seconds * SECOND + delta.microseconds
