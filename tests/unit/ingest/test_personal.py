"""Which traits are personal, and which leaks in free text are found."""

import pytest

from services.ingest.personal import is_personal, split
from services.ingest.scan import has_personal_key, is_resident_id, is_suspicious, scan

_ID_CARD = "11010519491231002X"  # the example number of GB 11643


@pytest.mark.parametrize(
    "key",
    ["name", "firstName", "first_name", "姓名", "email", "phone", "address", "birthday", "dateOfBirth", "id_card",
     "身份证号", "bank card", "avatar", "headImgUrl", "nickname", "ip", "latitude", "licensePlate"],
)  # fmt: skip
def test_what_names_reaches_or_locates_a_person_is_personal(key: str) -> None:
    assert is_personal(key)


@pytest.mark.parametrize(
    "key",
    ["gender", "age_band", "city", "province", "plan", "level", "tags", "company", "会员等级", "createdAt", "title"],
)
def test_what_describes_many_people_is_not_personal(key: str) -> None:
    assert not is_personal(key)


def test_traits_split_into_halves_with_their_keys_as_sent() -> None:
    halves = split({"Name": "李雷", "plan": "gold", "address": {"city": "杭州", "street": "x"}})
    assert halves.traits == {"plan": "gold"}
    assert halves.personal == {"Name": "李雷", "address": {"city": "杭州", "street": "x"}}


@pytest.mark.parametrize(
    ("text", "clean", "sort"),
    [
        ("write to li.lei+x@mail.example.com!", "write to [email]!", "email"),
        ("https://x.cn/?e=a%40example.com&b=1", "https://x.cn/?e=[email]&b=1", "email"),
        (f"id {_ID_CARD} ok", "id [resident_id] ok", "resident_id"),
        ("call 13912345678 now", "call [phone] now", "phone"),
        ("https://x.cn/?m=%2B8613912345678", "https://x.cn/?m=[phone]", "phone"),
    ],
)
def test_leaks_by_shape_are_blanked_and_counted(text: str, clean: str, sort: str) -> None:
    assert is_suspicious(text.encode())
    found = scan({"note": text}, keys=True)
    assert found.value == {"note": clean}
    assert found.counts == {sort: 1}


@pytest.mark.parametrize(
    "text",
    ["13912345678", "order 202511211234567890", "110105194912310021", "see @home", "13 characters 1795290332867",
     "node-next-1795287523729-cf9746f6"],
)  # fmt: skip
def test_order_numbers_and_times_are_not_taken_for_people(text: str) -> None:
    assert scan({"note": text}, keys=True).value == {"note": text}


def test_properties_with_personal_keys_are_blanked_at_any_depth() -> None:
    properties = {"products": [{"name": "coat", "sku": 1}], "receiver": {"phone": "139", "shippingAddress": {"x": 1}}}
    assert has_personal_key(properties)
    found = scan(properties, keys=True)
    assert found.value == {
        "products": [{"name": "coat", "sku": 1}],
        "receiver": {"phone": "[personal]", "shippingAddress": "[personal]"},
    }
    assert found.counts == {"key": 2}


def test_an_empty_personal_key_is_no_leak() -> None:
    assert scan({"phone": "", "email": None}, keys=True).counts == {}


def test_the_checksum_of_a_resident_id_decides() -> None:
    assert is_resident_id(_ID_CARD)
    assert is_resident_id(_ID_CARD.lower())
    assert not is_resident_id("110105194912310021")


def test_a_plain_order_needs_no_walk() -> None:
    assert not is_suspicious(b"order_id o-1 revenue 99.5 coat")
    assert not has_personal_key({"order_id": "o-1", "products": [{"name": "coat"}]})
