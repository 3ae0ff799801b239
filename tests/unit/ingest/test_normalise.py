"""From a read event to the body that will be encrypted: what stays, what goes where, what is blanked."""

from typing import Any

import pytest

from libs.common.contracts.body import EventBody, Money, decode_body
from libs.common.contracts.vault import Identifier
from services.ingest.identifiers import Claim
from services.ingest.incoming import Incoming
from services.ingest.normalise import Normal, normalise
from services.ingest.refusals import Reason, Refused


def incoming(**fields: Any) -> Incoming:
    claims = fields.pop("claims", [Claim("user_id", "li-lei-42")])
    return Incoming(**{"type": "track", "event": "E", "identity": b"", "raw": b"", "claims": claims, **fields})


def normal(**fields: Any) -> Normal:
    return normalise(incoming(**fields), "web")


def body(**fields: Any) -> EventBody:
    return decode_body(normal(**fields).body)


def test_an_own_identifier_in_a_property_a_url_a_key_or_the_name_is_redacted() -> None:
    found = body(
        event="li-lei-42 came",
        message_id="m-li-lei-42",
        properties={"path": "/u/LI-LEI-42/orders", "li-lei-42": 1, "who": ["li-lei-42"]},
        context={"campaign": {"source": "li-lei-42"}, "page": {"path": "/li-lei-42"}},
    )
    assert "li-lei-42" not in str(found).lower()
    assert found.properties == {"path": "/u/[redacted]/orders", "[redacted]": 1, "who": ["[redacted]"]}


def test_leaks_of_others_are_blanked_and_counted() -> None:
    properties = {"note": "ask han@example.com or 13987654321", "receiver_phone": "x", "phone": "13987654321"}
    found = normal(event="To han@example.com", properties=properties, context={"page": {"title": "han@example.com!"}})
    opened = decode_body(found.body)
    assert opened.event == "To [email]"
    assert opened.properties == {"note": "ask [email] or [phone]", "receiver_phone": "x", "phone": "[personal]"}
    assert opened.context == {"page": {"title": "[email]!"}}
    assert found.blanked == {"email": 3, "phone": 1, "key": 1}


def test_digits_of_a_message_id_and_bytes_of_a_number_do_not_look_like_a_leak() -> None:
    found = normal(message_id="ajs-next-1795290332867-2f893510", properties={"revenue": 99.5})
    assert found.blanked == {}
    assert decode_body(found.body).message_id == "ajs-next-1795290332867-2f893510"


def test_traits_of_the_context_and_of_the_call_are_one_and_the_calls_win() -> None:
    found = body(
        type="identify",
        traits={"plan": "gold", "name": "李雷"},
        context={"traits": {"plan": "old", "level": 3, "birthday": "1990-03-07"}},
    )
    assert found.traits == {"plan": "gold", "level": 3}
    assert found.personal == {"name": "李雷", "birthday": "1990-03-07"}


def test_what_became_an_identifier_is_no_trait_and_what_is_malformed_stays_as_a_personal_one() -> None:
    found = normal(
        type="identify", traits={"email": "A@x.cn", "phone": "12", "mobile": "unknown", "member_card": "M-77"}
    )
    assert found.identifiers == (
        Identifier("user_id", "li-lei-42"),
        Identifier("member_card", "M-77"),
        Identifier("email", "a@x.cn"),
    )
    opened = decode_body(found.body)
    assert (opened.traits, opened.personal) == ({}, {"phone": "12"})


def test_money_is_read_from_what_was_done_not_from_what_was_seen() -> None:
    assert body(properties={"revenue": 5}).money == Money(500, "CNY")
    assert body(type="page", event="page", properties={"value": 5}).money is None


def test_channel_medium_and_campaign_come_from_source_and_page() -> None:
    found = body(properties={"url": "https://x.cn/?utm_source=weibo&utm_medium=social&utm_campaign=c"})
    assert (found.channel, found.medium, found.campaign) == ("web", "social", {"source": "weibo", "name": "c"})


@pytest.mark.parametrize("claims", [[], [Claim("user_id", "null")], [Claim("phone", "12"), Claim("anonymous_id", "0")]])
def test_an_event_about_nobody_is_refused_with_what_would_be_right(claims: list[Claim]) -> None:
    with pytest.raises(Refused) as refused:
        normal(claims=claims)
    assert refused.value.reason is Reason.NO_IDENTIFIER
    assert "userId" in refused.value.detail


@pytest.mark.parametrize("place", ["properties", "traits"])
def test_an_integer_beyond_64_bits_is_refused_where_it_stands(place: str) -> None:
    with pytest.raises(Refused) as refused:
        normal(**{place: {"a": {"n": 2**64}}})
    assert refused.value.reason is Reason.NUMBER_OUT_OF_RANGE
    assert refused.value.pointer == f"/{place}/a/n"


def test_the_largest_integers_of_64_bits_are_kept() -> None:
    assert body(properties={"a": 2**64 - 1, "b": -(2**63)}).properties == {"a": 2**64 - 1, "b": -(2**63)}
