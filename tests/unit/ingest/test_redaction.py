"""An event's own identifiers do not stand in its body."""

from typing import Any

import msgspec
import pytest

from services.ingest.redaction import REDACTED, needles_of, occur, redact


def cleaned(value: Any, *identifiers: str) -> Any:
    """Redacts, and checks that the quick look would have led here."""
    found = redact(value, needles_of(identifiers))
    assert occur(identifiers, msgspec.msgpack.encode(value)) or found == value
    return found


@pytest.mark.parametrize(
    ("value", "identifier", "expected"),
    [
        ("a@example.com", "a@example.com", REDACTED),
        ("mail A@Example.COM now", "a@example.com", f"mail {REDACTED} now"),
        ("https://x.cn/?e=a%40example.com", "a@example.com", f"https://x.cn/?e={REDACTED}"),
        ("https://x.cn/u/user-1/orders", "user-1", f"https://x.cn/u/{REDACTED}/orders"),
        ("user-12", "user-1", "user-12"),
        ("xuser-1", "user-1", "xuser-1"),
        ("u1", "u1", REDACTED),
        ("see u1.", "u1", f"see {REDACTED}."),
        ("page 12 of 30", "12", "page 12 of 30"),
        ("12", "12", REDACTED),
        ("5", "5", REDACTED),
        ("13912345678", "+8613912345678", REDACTED),
        ("tel:+8613912345678", "+8613912345678", f"tel:{REDACTED}"),
        ("m=%2B8613912345678", "+8613912345678", f"m={REDACTED}"),
        ("13912345678 or 13987654321", "13912345678", f"{REDACTED} or 13987654321"),
        ("会员李雷来了", "李雷", f"会员{REDACTED}来了"),
        ("nothing here", "user-1", "nothing here"),
    ],
)
def test_an_identifier_is_redacted_where_it_is_meant(value: str, identifier: str, expected: str) -> None:
    assert cleaned(value, identifier) == expected


def test_numbers_and_keys_are_redacted_too() -> None:
    value = {
        "mobile": 13912345678,
        "as_float": 13912345678.0,
        "13912345678": True,
        "n": 5,
        "deep": [{"x": ["13912345678"]}],
    }
    assert cleaned(value, "+8613912345678") == {
        "mobile": REDACTED,
        "as_float": REDACTED,
        REDACTED: True,
        "n": 5,
        "deep": [{"x": [REDACTED]}],
    }


def test_a_body_without_the_identifiers_needs_no_walk() -> None:
    identifiers = ["a@example.com", "user-1", "+8613912345678"]
    assert not occur(identifiers, msgspec.msgpack.encode({"revenue": 99.5, "sku": "s1", "n": 13912345679}))


def test_characters_that_have_meaning_in_patterns_are_only_characters() -> None:
    assert cleaned("is (a+b)*c here", "(a+b)*c") == f"is {REDACTED} here"
