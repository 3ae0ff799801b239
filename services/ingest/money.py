"""Money as integers: minor units of an ISO 4217 currency, rounded half to even."""

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from libs.common.contracts.body import Money

DEFAULT_CURRENCY = "CNY"

# fmt: off
_CODES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY COP CRC
CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR
ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK
MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE
SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XCG XOF XPF
YER ZAR ZMW ZWG
"""
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"

CURRENCIES = frozenset(_CODES.split())
EXPONENTS: Mapping[str, int] = {
    **dict.fromkeys(_NO_DECIMALS.split(), 0), **dict.fromkeys(_THREE_DECIMALS.split(), 3)
}
"""Where ISO 4217 has another number of decimals than two."""
ALIASES: Mapping[str, str] = {
    "RMB": "CNY", "CNH": "CNY", "元": "CNY", "人民币": "CNY", "￥": "CNY", "¥": "CNY", "YUAN": "CNY",
    "$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "HK$": "HKD", "NT$": "TWD", "円": "JPY", "港币": "HKD",
}
# fmt: on
AMOUNT_FIELDS = ("revenue", "total", "value")
_LARGEST = 2**53 - 1  # exact in every JSON reader
_SIGNS = re.compile(r"[￥¥$€£元\s]")
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:[,，][0-9]{3})+(?:\.[0-9]+)?")


def money_of(properties: Mapping[str, Any]) -> Money | None:
    """The event's amount: `revenue`, else `total`, else `value`, else `price` x `quantity`; None without one.

    An amount that is no number, or in no currency of ISO 4217, is no money: a wrong sum is worse than none.
    """
    amount = _stated(properties)
    if amount is None:
        return None
    currency = currency_of(properties.get("currency"))
    return None if currency is None else to_minor(amount, currency)


def currency_of(value: Any) -> str | None:
    """The ISO 4217 code; CNY when nothing is said; None when it is not one."""
    if value is None or value == "":
        return DEFAULT_CURRENCY
    if not isinstance(value, str):
        return None
    code = value.strip().upper()
    code = ALIASES.get(code, code)
    return code if code in CURRENCIES else None


def to_minor(amount: Decimal, currency: str) -> Money | None:
    """The amount in minor units; None when it is too large to be exact everywhere."""
    minor = amount.scaleb(EXPONENTS.get(currency, 2))
    if not abs(minor) <= _LARGEST:
        return None
    return Money(int(minor.to_integral_value(ROUND_HALF_EVEN)), currency)


def _stated(properties: Mapping[str, Any]) -> Decimal | None:
    for field in AMOUNT_FIELDS:
        if field in properties and (amount := _decimal(properties[field])) is not None:
            return amount
    if "price" not in properties:
        return None
    price, quantity = _decimal(properties["price"]), _decimal(properties.get("quantity", 1))
    return None if price is None or quantity is None else price * quantity


def _decimal(value: Any) -> Decimal | None:
    """Floats by their shortest text: 99.1 is 99.1, not 99.0999...; texts with signs and thousands too."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = _ungrouped(value) if isinstance(value, str) else repr(value)
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number.adjusted()) < 30 else None


def _ungrouped(text: str) -> str:
    """`¥1,299.00` as `1299.00`; a comma that does not group thousands stays, so that it is no number."""
    bare = _SIGNS.sub("", text[:40])
    return re.sub("[,，]", "", bare) if _GROUPED.fullmatch(bare) else bare
