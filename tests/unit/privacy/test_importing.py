"""Existing consents as they really come: Excel's GB18030, byte order marks, cut anywhere, with rows that are wrong."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.errors import BadRequest
from services.privacy.rights.importing import _records, decided, parse_time
from services.privacy.rights.schemas import DecisionIn

NOW = 1_790_000_000_000_000
HEADER = "kind,value,purpose,decision,decided_at,method,notice\r\n"
TEXT = HEADER + 'phone,13912345678,marketing,同意,2024-01-31,"门店,\n纸",v1\r\n'


async def chunks(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


async def read(data: bytes, size: int) -> list[list[str]]:
    return [record async for record in _records(chunks(data, size))]


@given(st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]), st.integers(1, 200))
async def test_every_encoding_reads_the_same_wherever_it_is_cut(encoding: str, size: int) -> None:
    (header, row) = await read(TEXT.encode(encoding), size)
    assert header[0] == "kind"
    assert row == ["phone", "13912345678", "marketing", "同意", "2024-01-31", "门店,\n纸", "v1"]


async def test_text_that_is_neither_encoding_is_refused() -> None:
    with pytest.raises(BadRequest, match="neither UTF-8 nor GB18030"):
        await read("意".encode() + b"\xff\xff\n", 100)


async def test_a_quote_that_is_never_closed_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(BadRequest, match="quote"):
        await read(b'kind\n"' + b"x" * 100_000, 4096)


@pytest.mark.parametrize(
    ("given_", "meant"),
    [
        ("2024-01-31T08:00:00Z", datetime(2024, 1, 31, 8, tzinfo=UTC)),
        ("2024-01-31 08:00", datetime(2024, 1, 31, 0, tzinfo=UTC)),
        ("2024/01/31", datetime(2024, 1, 30, 16, tzinfo=UTC)),
    ],
)
def test_times_without_a_zone_are_chinas(given_: str, meant: datetime) -> None:
    assert parse_time(given_, NOW) == int(meant.timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("kind", "shoe_size", "kinds are"),
        ("value", "secret-words", "no phone"),
        ("purpose", "spying", "no such purpose"),
        ("purpose", "service", "does not stand on consent"),
        ("decision", "maybe", "granted or withdrawn"),
        ("decided_at", "yesterday", "decided_at"),
        ("decided_at", "2999-01-01", "future"),
    ],
)
def test_a_wrong_row_says_what_is_wrong_and_repeats_no_value(column: str, value: str, says: str) -> None:
    row = {"kind": "phone", "value": "13912345678", "purpose": "marketing", "decision": "granted"}
    with pytest.raises(BadRequest, match=says) as refused:
        decided({**row, "decided_at": "2024-01-31", column: value}, NOW)
    assert "secret-words" not in refused.value.detail


@pytest.mark.parametrize("column", ["method", "notice"])
def test_a_text_that_no_database_takes_is_refused(column: str) -> None:
    """In the log it would stop whoever folds decisions for good."""
    row = {"kind": "user_id", "value": "u1", "purpose": "marketing", "decision": "granted", "decided_at": "2026-01-01"}
    with pytest.raises(BadRequest, match=column):
        decided({**row, column: "a\0b"}, NOW)
    with pytest.raises(ValueError, match=column):
        DecisionIn.model_validate(
            {"identifiers": [{"kind": "user_id", "value": "u1"}], "purpose": "marketing", column: "a\0b"}
        )
