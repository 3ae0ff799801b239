"""Which traits are personal: shown to no one without scope `personal:reveal`, and never exported as traits.

The table (keys folded as `identifiers.fold` does; also documented in README.md). What a person *is called*,
*where they live*, *how to reach them*, *numbers that the state, a bank or an employer gave them*, *faces*, and
*birth dates* are personal. Gender, age band, city, province, tags and levels are not: they describe many people.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from services.ingest.identifiers import fold

# fmt: off
PERSONAL_KEYS = frozenset({
    # names
    "name", "firstname", "lastname", "middlename", "fullname", "realname", "givenname", "familyname", "surname",
    "nickname", "nick", "username", "displayname", "姓名", "真实姓名", "昵称", "名字", "用户名",
    # ways to reach
    "email", "emailaddress", "mail", "phone", "phonenumber", "mobile", "mobilephone", "mobileno", "mobilenumber",
    "cellphone", "tel", "telephone", "wechat", "wechatid", "weixin", "qq", "邮箱", "电子邮箱", "手机", "手机号",
    "手机号码", "电话", "微信", "微信号",
    # places
    "address", "street", "streetaddress", "addressline1", "addressline2", "postalcode", "postcode", "zip", "zipcode",
    "shippingaddress", "billingaddress", "homeaddress", "location", "latitude", "longitude", "lat", "lng", "lon",
    "地址", "收货地址", "家庭住址", "详细地址", "邮编",
    # birth
    "birthday", "birthdate", "dateofbirth", "dob", "生日", "出生日期",
    # numbers given by others
    "idcard", "idcardno", "idnumber", "idno", "identitycard", "nationalid", "ssn", "passport", "passportno",
    "passportnumber", "driverlicense", "licenseplate", "plateno", "bankcard", "bankcardno", "bankaccount", "iban",
    "creditcard", "cardnumber", "身份证", "身份证号", "身份证号码", "护照", "护照号", "车牌", "车牌号", "银行卡",
    "银行卡号", "社保号",
    # faces and the like
    "avatar", "avatarurl", "headimgurl", "photo", "picture", "faceid", "头像", "照片",
    # the network
    "ip", "ipaddress",
})
# fmt: on

STRICT_KEYS = PERSONAL_KEYS - {"name", "nick", "location", "picture", "photo", "zip", "mail", "wechat", "weixin"}
"""The same table for an event's properties, where `name` is a product's and `location` a shop's."""


class Traits(NamedTuple):
    """The two halves of what is said about a person."""

    traits: dict[str, Any]
    personal: dict[str, Any]


def is_personal(key: str) -> bool:
    """Whether a trait of this key is personal."""
    return fold(key) in PERSONAL_KEYS


def split(fields: Mapping[str, Any]) -> Traits:
    """Each trait in its half, with its key as sent."""
    halves = Traits({}, {})
    for key, value in fields.items():
        (halves.personal if is_personal(key) else halves.traits)[key] = value
    return halves
