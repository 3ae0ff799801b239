"""Which of an event's fields point at the person who did it, as data.

Only fields that denote the actor are read. A phone or an email among a track event's *properties* may be a
friend's or a courier's; taken as the actor's it would join two people for good. Such an event names its person
in `userId`, `anonymousId`, `context.traits` or `context.externalIds`.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from libs.common.contracts.vault import Identifier
from libs.common.identifiers import KINDS, is_blocked, normalise

MAX_IDENTIFIERS = 16
MAX_KEY = 64
"""Longer keys are in no table, and are kept out of the caches."""

# fmt: off
ACTOR_KEYS: Mapping[str, str] = {
    "openid": "wechat_openid", "wechatopenid": "wechat_openid", "wxopenid": "wechat_openid",
    "miniprogramopenid": "wechat_openid",
    "unionid": "wechat_unionid", "wechatunionid": "wechat_unionid", "wxunionid": "wechat_unionid",
    "douyinopenid": "douyin_openid", "dyopenid": "douyin_openid", "tiktokopenid": "douyin_openid",
    "membercard": "member_card", "membercardno": "member_card", "membercardid": "member_card",
    "membercardnumber": "member_card", "memberid": "member_card", "memberno": "member_card",
    "membernumber": "member_card", "cardno": "member_card", "vipno": "member_card", "vipcard": "member_card",
    "loyaltyid": "member_card", "loyaltycard": "member_card", "会员卡号": "member_card", "会员号": "member_card",
    "会员卡": "member_card",
}
"""Keys of properties and traits, folded by `fold`, that name the actor wherever they stand."""

TRAIT_KEYS: Mapping[str, str] = {
    **ACTOR_KEYS,
    "email": "email", "emailaddress": "email", "mail": "email", "邮箱": "email", "电子邮箱": "email",
    "phone": "phone", "phonenumber": "phone", "mobile": "phone", "mobilephone": "phone", "mobileno": "phone",
    "mobilenumber": "phone", "cellphone": "phone", "tel": "phone", "telephone": "phone", "手机": "phone",
    "手机号": "phone", "手机号码": "phone", "电话": "phone",
}
"""Keys of the actor's own traits."""

EXTERNAL_TYPES: Mapping[str, str] = {
    **TRAIT_KEYS,
    "userid": "user_id", "anonymousid": "anonymous_id", "deviceid": "device_id",
    "android.id": "device_id", "android.idfa": "device_id", "androidid": "device_id", "oaid": "device_id",
    "ios.id": "device_id", "ios.idfa": "device_id", "idfa": "device_id", "idfv": "device_id",
}
"""`context.externalIds[].type`, folded."""

DEVICE_KEYS = ("id", "advertisingId")
# fmt: on

_STRENGTH = {name: kind.priority for name, kind in KINDS.items()}


class Claim(NamedTuple):
    """A raw value that the event says points at its person."""

    kind: str
    value: str


class Found(NamedTuple):
    """`identifiers` are normal and distinct, in one order for one set; `raw` is all that must be redacted."""

    identifiers: tuple[Identifier, ...]
    raw: tuple[str, ...]


def fold(key: str) -> str:
    """`Member_Card No` and `memberCardNo` are one key."""
    return key.replace("_", "").replace("-", "").replace(" ", "").lower()


def text_of(value: Any) -> str | None:
    """An identifier as text: strings, integers, and floats that are integers; nothing else is one."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else None
    return str(value)


@lru_cache(maxsize=4096)
def actor_kind(key: str) -> str | None:
    """The kind of a property or trait that names the actor wherever it stands."""
    return ACTOR_KEYS.get(fold(key))


@lru_cache(maxsize=4096)
def trait_kind(key: str) -> str | None:
    """The kind of one of the actor's own traits."""
    return TRAIT_KEYS.get(fold(key))


def of_keys(fields: Mapping[str, Any], kind_of: Callable[[str], str | None]) -> list[tuple[str, Claim]]:
    """The fields whose key has a kind, each with its key."""
    found = []
    for key, value in fields.items():
        kind = kind_of(key) if len(key) <= MAX_KEY else None
        if kind is not None and (text := text_of(value)):
            found.append((key, Claim(kind, text)))
    return found


def of_context(context: Mapping[str, Any]) -> Iterable[Claim]:
    """`context.device` and `context.externalIds`; an id sent encoded (hashed) points at no one here."""
    device = context.get("device")
    if isinstance(device, dict):
        for key in DEVICE_KEYS:
            if text := text_of(device.get(key)):
                yield Claim("device_id", text)
    external = context.get("externalIds")
    for item in external[:MAX_IDENTIFIERS] if isinstance(external, list) else ():
        if isinstance(item, dict) and (claim := _external(item)):
            yield claim


def _external(item: Mapping[str, Any]) -> Claim | None:
    kind, text = item.get("type"), text_of(item.get("id"))
    if not isinstance(kind, str) or not text or item.get("encoding", "none") != "none":
        return None
    known = kind if kind in KINDS else EXTERNAL_TYPES.get(fold(kind))
    return Claim(known, text) if known and item.get("collection", "users") == "users" else None


def settle(claims: Iterable[Claim]) -> Found:
    """Normalises and drops what is blocked, malformed or said twice; the strongest 16 remain."""
    found: dict[Identifier, None] = {}
    raw: dict[str, None] = {}
    for claim in claims:
        value = normalise(claim.kind, claim.value)
        if value is not None:
            found[Identifier(claim.kind, value)] = None
            raw[claim.value.strip()] = raw[value] = None
    ordered = sorted(found, key=lambda one: (_STRENGTH[one.kind], one.value))
    return Found(tuple(ordered[:MAX_IDENTIFIERS]), tuple(raw))


def is_no_value(text: str) -> bool:
    """Whether a field says nothing ("unknown", "null", "-"), so that it is not worth keeping as a trait."""
    return is_blocked(text.strip())
