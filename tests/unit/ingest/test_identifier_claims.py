"""Which fields point at the person."""

from typing import Any

import pytest

from libs.common.contracts.vault import Identifier
from services.ingest.identifiers import (
    Claim,
    actor_kind,
    fold,
    of_context,
    of_keys,
    settle,
    text_of,
    trait_kind,
)


@pytest.mark.parametrize(
    ("traits", "claims"),
    [
        ({"email": "a@example.com"}, [Claim("email", "a@example.com")]),
        ({"Phone_Number": "139"}, [Claim("phone", "139")]),
        ({"手机号": 13912345678}, [Claim("phone", "13912345678")]),
        ({"memberCardNo": "M1"}, [Claim("member_card", "M1")]),
        ({"会员卡号": "M1"}, [Claim("member_card", "M1")]),
        ({"openId": "o1", "unionId": "u1"}, [Claim("wechat_openid", "o1"), Claim("wechat_unionid", "u1")]),
        ({"email": None, "phone": "", "plan": "gold"}, []),
        ({"email": ["a@example.com"], "phone": {"home": "1"}}, []),
    ],
)
def test_the_actors_traits_are_read_by_a_table_of_keys(traits: dict[str, Any], claims: list[Claim]) -> None:
    assert [claim for _, claim in of_keys(traits, trait_kind)] == claims


def test_a_phone_or_email_among_properties_may_be_a_friends_and_is_not_the_actors() -> None:
    properties = {"email": "friend@example.com", "phone": "13912345678", "openid": "o1", "member_card": "M1"}
    kinds = [claim.kind for _, claim in of_keys(properties, actor_kind)]
    assert kinds == ["wechat_openid", "member_card"]


@pytest.mark.parametrize(
    ("context", "claims"),
    [
        ({"device": {"id": "D1", "advertisingId": "A1"}}, [Claim("device_id", "D1"), Claim("device_id", "A1")]),
        ({"device": "iPhone"}, []),
        ({"externalIds": [{"id": "u", "type": "wechat_unionid", "collection": "users", "encoding": "none"}]},
         [Claim("wechat_unionid", "u")]),
        ({"externalIds": [{"id": 42, "type": "member_card"}]}, [Claim("member_card", "42")]),
        ({"externalIds": [{"id": "x", "type": "ios.idfa"}]}, [Claim("device_id", "x")]),
        ({"externalIds": [{"id": "x", "type": "openid"}]}, [Claim("wechat_openid", "x")]),
        ({"externalIds": [{"id": "5f4d", "type": "email", "encoding": "sha256"}]}, []),
        ({"externalIds": [{"id": "acme", "type": "user_id", "collection": "accounts"}]}, []),
        ({"externalIds": [{"id": "x", "type": "shoe_size"}, "x", None, {"id": {}, "type": "email"}, {"type": 5}]}, []),
        ({"externalIds": {"id": "x"}}, []),
    ],
)  # fmt: skip
def test_device_and_external_ids_are_read(context: dict[str, Any], claims: list[Claim]) -> None:
    assert list(of_context(context)) == claims


def test_one_set_of_people_has_one_order_whatever_order_they_were_named_in() -> None:
    claims = [Claim("anonymous_id", "b"), Claim("user_id", "u"), Claim("anonymous_id", "a"), Claim("email", "A@x.cn ")]
    expected = (
        Identifier("user_id", "u"),
        Identifier("email", "a@x.cn"),
        Identifier("anonymous_id", "a"),
        Identifier("anonymous_id", "b"),
    )
    assert settle(claims).identifiers == settle(claims[::-1]).identifiers == expected


def test_raw_and_normal_values_are_both_to_be_redacted() -> None:
    found = settle([Claim("phone", "139 1234 5678"), Claim("phone", "+8613912345678")])
    assert found.identifiers == (Identifier("phone", "+8613912345678"),)
    assert set(found.raw) == {"139 1234 5678", "+8613912345678"}


def test_placeholders_and_malformed_values_point_at_nobody() -> None:
    assert settle([Claim("user_id", "null"), Claim("anonymous_id", "0000"), Claim("phone", "12")]).identifiers == ()


def test_the_strongest_identifiers_stay_when_there_are_too_many() -> None:
    found = settle([Claim("device_id", f"d{i}") for i in range(40)] + [Claim("user_id", "u")])
    assert len(found.identifiers) == 16
    assert found.identifiers[0] == Identifier("user_id", "u")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("u", "u"),
        (7, "7"),
        (7.0, "7"),
        (7.5, None),
        (True, None),
        (None, None),
        ([], None),
        ({}, None),
        (1e300, str(int(1e300))),
    ],
)
def test_only_texts_and_whole_numbers_are_identifiers(value: Any, text: str | None) -> None:
    assert text_of(value) == text


def test_keys_are_folded_so_that_spellings_meet() -> None:
    assert fold("Member-Card No") == fold("memberCardNo") == fold("member_card_no") == "membercardno"
