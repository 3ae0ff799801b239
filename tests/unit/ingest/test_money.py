"""Amounts as shops write them."""

from typing import Any

import pytest

from libs.common.contracts.body import Money
from services.ingest.money import CURRENCIES, EXPONENTS, money_of


@pytest.mark.parametrize(
    ("properties", "minor", "currency"),
    [
        ({"revenue": 99.5, "currency": "CNY"}, 9950, "CNY"),
        ({"revenue": 99.5}, 9950, "CNY"),
        ({"revenue": 0.1 + 0.2}, 30, "CNY"),  # 0.30000000000000004
        ({"revenue": 19.99}, 1999, "CNY"),
        ({"revenue": 1.005}, 100, "CNY"),  # half to even, on the text of the float
        ({"revenue": 1.015}, 102, "CNY"),
        ({"total": "1299.00", "currency": "usd"}, 129900, "USD"),
        ({"total": "¥1,299.00"}, 129900, "CNY"),
        ({"value": 1000, "currency": "JPY"}, 1000, "JPY"),
        ({"value": "1.234", "currency": "KWD"}, 1234, "KWD"),
        ({"value": 8, "currency": "人民币"}, 800, "CNY"),
        ({"value": 8, "currency": "RMB"}, 800, "CNY"),
        ({"revenue": -12.5}, -1250, "CNY"),
        ({"revenue": 0}, 0, "CNY"),
        ({"price": 9.9, "quantity": 3}, 2970, "CNY"),
        ({"price": "9.9"}, 990, "CNY"),
        ({"revenue": 5, "total": 9, "value": 1}, 500, "CNY"),
        ({"revenue": None, "total": 9}, 900, "CNY"),
        ({"revenue": "free", "total": 9}, 900, "CNY"),
    ],
)
def test_an_amount_becomes_minor_units(properties: dict[str, Any], minor: int, currency: str) -> None:
    assert money_of(properties) == Money(minor, currency)


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"revenue": "NaN"},
        {"revenue": "Infinity"},
        {"revenue": True},
        {"revenue": [1]},
        {"revenue": "99,50"},  # a decimal comma, or not: nobody knows
        {"revenue": "1.299,00"},
        {"revenue": 10, "currency": "XYZ"},
        {"revenue": 10, "currency": 156},
        {"revenue": 1e30},
        {"revenue": "1e999999999"},
        {"revenue": 2**53},
        {"price": 5, "quantity": "many"},
        {"quantity": 5},
        {"revenue": "9" * 500},
    ],
)
def test_what_is_no_certain_amount_is_no_money(properties: dict[str, Any]) -> None:
    assert money_of(properties) is None


def test_every_exponent_belongs_to_a_known_currency() -> None:
    assert set(EXPONENTS) <= CURRENCIES
    assert all(len(code) == 3 for code in CURRENCIES)
