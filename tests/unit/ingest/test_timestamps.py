"""Times as SDKs, stores and spreadsheets write them; Segment's rule for wrong clocks."""

import pytest

from services.ingest.timestamps import occurred, parse

NOON = 1_763_726_400_000_000  # 2025-11-21T12:00:00Z
SECOND = 1_000_000
DAY_START = NOON - 12 * 3600 * SECOND


@pytest.mark.parametrize(
    ("written", "micros"),
    [
        ("2025-11-21T12:00:00Z", NOON),
        ("2025-11-21T12:00:00.000Z", NOON),  # JavaScript's toISOString
        ("2025-11-21T12:00:00.327+00:00", NOON + 327_000),  # analytics-python
        ("2025-11-21T12:00:00.922491+00:00", NOON + 922_491),
        ("2025-11-21T12:00:00.123456789Z", NOON + 123_456),  # Go
        ("2025-11-21T20:00:00+08:00", NOON),
        ("2025-11-21T20:00:00+0800", NOON),
        ("2025-11-21 12:00:00", NOON),  # no zone is UTC, as Segment reads it
        ("2025/11/21 12:00:00", NOON),
        ("2025/11/21 12:00", NOON),
        ("2025-11-21T12:00:00.5Z", NOON + 500_000),
        ("  2025-11-21T12:00:00Z ", NOON),
        ("2025-11-21", DAY_START),
        ("2025/11/21", DAY_START),
        ("20251121", DAY_START),
        ("20251121120000", NOON),
        (1_763_726_400, NOON),
        (1_763_726_400.5, NOON + 500_000),
        (1_763_726_400_000, NOON),
        (NOON, NOON),
        ("1763726400", NOON),
        ("1763726400000", NOON),
        ("2026-1-2 3:04:05", 1_767_323_045 * SECOND),
        (0, 0),
    ],
)
def test_a_time_is_read_as_its_system_meant_it(written: str | int | float, micros: int) -> None:
    assert parse(written) == micros


@pytest.mark.parametrize(
    "written",
    [
        "", "yesterday", "2025-13-01", "2025-02-30T00:00:00Z", "12:00", "1969-12-31T23:59:59Z", "9999-01-01", -1, 1e300,
        10**18, "99999999999999999999", "２０２５-11-21", "2025-11-21T25:00:00Z", "20251399", "0000-00-00 00:00:00",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(written: str | int | float) -> None:
    with pytest.raises((ValueError, OverflowError)):
        parse(written)


@pytest.mark.parametrize(
    ("original", "sent", "expected", "why"),
    [
        (NOON - 60, NOON, NOON - 60, "a right clock changes nothing"),
        (NOON - 60 + 3600, NOON + 3600, NOON - 60, "a clock that is ahead is put right"),
        (NOON - 60 - 86400, NOON - 86400, NOON - 60, "a clock that is behind is put right"),
        (NOON - 60, None, NOON - 60, "without sentAt the sender is believed"),
        (None, NOON - 5, NOON, "without a time it happened now"),
        (NOON + 60, NOON, NOON, "nothing happens after it was received"),
        (NOON + 10, None, NOON, "nothing happens after it was received, whoever says so"),
    ],
)
def test_the_senders_clock_error_cancels_out(original: int | None, sent: int | None, expected: int, why: str) -> None:
    def at(seconds: int | None) -> int | None:
        return None if seconds is None else NOON + (seconds - NOON) * SECOND

    assert occurred(at(original), at(sent), NOON) == at(expected), why


def test_a_correction_never_leads_before_1970() -> None:
    assert occurred(5, NOON, 10) == 0
