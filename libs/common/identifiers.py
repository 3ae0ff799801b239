"""Identifiers as people and SDKs write them, brought to one form: one person's phone is one pseudonym.

The same text must normalise to the same value for ever: the vault looks a person up by it. So every rule is
deterministic, and loosening or tightening one is a change that needs a plan for the values already stored.
"""

import re
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

MAX_LENGTH = 256


class Kind(NamedTuple):
    """The lower `priority`, the stronger; a customer has at most `limit` of the kind, None = any number."""

    name: str
    priority: int
    limit: int | None


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        name: Kind(name, priority, limit)
        for priority, (name, limit) in enumerate(
            [
                ("user_id", 1),
                ("member_card", None),
                ("wechat_unionid", None),
                ("phone", 3),
                ("email", None),
                ("wechat_openid", None),
                ("douyin_openid", None),
                ("device_id", None),
                ("anonymous_id", None),
            ]
        )
    }
)
"""Every kind that Wanliu knows, strongest first."""

# fmt: off
BLOCKED = frozenset({
    "unknown", "null", "(null)", "<null>", "undefined", "none", "nil", "nan", "n/a", "na", "-1", "true",
    "false", "anonymous", "anon", "guest", "nobody", "not_set", "notset", "(not_set)", "[object_object]",
    "9774d56d682e549c",  # the Android id that a whole series of devices shares
    "空", "无", "未知", "匿名", "游客", "访客",
})
"""What software writes when it has no value: case-folded, inner blanks as `_`."""
# fmt: on

BLOCKED_PHONES = frozenset({"+8613800000000", "+8613000000000", "+8613333333333"})
"""Placeholders that forms are filled with."""

BLOCKED_MAILBOXES = BLOCKED | {"noreply", "no-reply", "donotreply", "do-not-reply", "test"}
"""Local parts of addresses that stand for nobody."""

_PHONE_NOISE = re.compile(r"[\s().·/_-]+")
_MAINLAND_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_MAINLAND_MOBILE_ABROAD = re.compile(r"(?:\+|00)?86(1[3-9][0-9]{9})")
_PHONE = re.compile(r"\+?[0-9]{5,20}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_NOTHING = re.compile(r"[0\-:.]*|[fF\-:]{12,}|[xX*?\-]+")
_TEMPLATE = re.compile(r"\{\{.*\}\}|\$\{.*\}|%[a-zA-Z_]+%|<[a-zA-Z_ ]+>")


def normalise(kind: str, value: str, region: str = "CN") -> str | None:
    """The one form of an identifier; None when it is empty, blocked, malformed or too long to be one.

    Phones become E.164 (numbers without a country code are read as of `region`, ISO 3166), emails are
    trimmed and lower-cased, all others trimmed. Full-width characters become ordinary ones (NFKC).
    Raises KeyError for an unknown kind.
    """
    KINDS[kind]
    text = _plain(value)
    if text is None or is_blocked(text):
        return None
    if kind == "phone":
        return _phone(text, region)
    return _email(text) if kind == "email" else text


def is_blocked(text: str) -> bool:
    """Whether a trimmed value stands for "no value": a known word, only zeros, an unfilled template."""
    if _NOTHING.fullmatch(text):
        return True
    return "_".join(text.casefold().split()) in BLOCKED or _TEMPLATE.fullmatch(text) is not None


def _plain(value: str) -> str | None:
    if len(value) > 4 * MAX_LENGTH:
        return None
    if not (value.isascii() and value.isprintable()):
        # Address books wrap numbers in invisible direction marks; they are no part of the value.
        visible = "".join(c for c in value if unicodedata.category(c) != "Cf")
        value = unicodedata.normalize("NFKC", visible)
    text = value.strip()
    return text if 0 < len(text) <= MAX_LENGTH and text.isprintable() else None


def _phone(text: str, region: str) -> str | None:
    digits = _PHONE_NOISE.sub("", text)
    if region == "CN" and _MAINLAND_MOBILE.fullmatch(digits):
        number: str | None = "+86" + digits
    elif match := _MAINLAND_MOBILE_ABROAD.fullmatch(digits):
        number = "+86" + match[1]
    else:
        number = _foreign_phone(digits, region)
    return None if number in BLOCKED_PHONES else number


def _foreign_phone(digits: str, region: str) -> str | None:
    if not digits.isascii() or not _PHONE.fullmatch(digits):
        return None
    import phonenumbers  # 30 MB and 0.3 s that only this path needs

    try:
        number = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def _email(text: str) -> str | None:
    address = text.lower()
    if not _EMAIL.fullmatch(address) or address.partition("@")[0] in BLOCKED_MAILBOXES:
        return None
    return address
