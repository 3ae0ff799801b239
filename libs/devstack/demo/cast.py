"""Who plays: one customer on four channels, and a friend who borrows her browser.

Each run gets its own identifiers, because the story ends with the customer being forgotten, and what is forgotten
stays so. Nobody real can be met: example.com is reserved (RFC 2606), mobile numbers beginning with 154 are given
to no one.
"""

import random
import secrets
from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """A customer and everything that points at her."""

    name: str
    user_id: str
    email: str
    phone: str
    anonymous_id: str
    device_id: str
    openid: str
    unionid: str
    member_card: str

    @property
    def identifiers(self) -> dict[str, str]:
        """Kind -> value, as channels know her."""
        return {
            "user_id": self.user_id,
            "email": self.email,
            "phone": self.phone,
            "wechat_openid": self.openid,
            "wechat_unionid": self.unionid,
            "member_card": self.member_card,
            "device_id": self.device_id,
            "anonymous_id": self.anonymous_id,
        }


@dataclass(frozen=True)
class Friend:
    """Another person, with an account of her own."""

    name: str
    user_id: str
    email: str


@dataclass(frozen=True)
class Cast:
    """All who play in one run, which `run` names."""

    run: str
    customer: Person
    friend: Friend


def new_cast(run: str | None = None) -> Cast:
    """A cast that has not played before; the same run gives the same cast."""
    run = run or secrets.token_hex(4)
    dice = random.Random(run)  # noqa: S311 - invented people, no secret

    def token(length: int) -> str:
        return f"{dice.getrandbits(4 * length):0{length}x}"

    customer = Person(
        name="林晓",
        user_id=f"u-{run}",
        email=f"lin.xiao.{run}@example.com",
        phone=f"154{dice.randrange(10**8):08}",
        anonymous_id=f"browser-{token(16)}",
        device_id=f"phone-{token(16)}",
        openid=f"o{token(27)}",
        unionid=f"on{token(26)}",
        member_card=f"M{dice.randrange(10**9):09}",
    )
    return Cast(run, customer, Friend("周宁", f"u-{run}-friend", f"zhou.ning.{run}@example.com"))
