import subprocess
import sys
from itertools import pairwise

import pytest

from libs.common.identifiers import KINDS, MAX_LENGTH, normalise

ZERO_UUID = "00000000-0000-0000-0000-000000000000"


@pytest.mark.parametrize(
    "written",
    [
        "13912345678",
        " 139 1234 5678 ",
        "139-1234-5678",
        "+86 139 1234 5678",
        "8613912345678",
        "0086-139-1234-5678",
        "(+86)13912345678",
        "１３９１２３４５６７８",
        "\u202a+8613912345678\u202c",
    ],
)
def test_every_way_to_write_a_mainland_mobile_is_one_number(written: str) -> None:
    assert normalise("phone", written) == "+8613912345678"


@pytest.mark.parametrize(
    ("written", "region", "number"),
    [
        ("+1 650-253-0000", "CN", "+16502530000"),
        ("(650) 253-0000", "US", "+16502530000"),
        ("010-6552 9988", "CN", "+861065529988"),
        ("+852 2123 4567", "CN", "+85221234567"),
        ("00852 2123 4567", "CN", "+85221234567"),
        ("+44 20 7946 0018", "CN", "+442079460018"),
    ],
)
def test_other_phones_become_e164(written: str, region: str, number: str) -> None:
    assert normalise("phone", written, region) == number


@pytest.mark.parametrize("written", ["", "12345", "not a phone", "+86139123456789999", "13800000000", "１", "٣" * 11])
def test_what_is_no_phone_is_none(written: str) -> None:
    assert normalise("phone", written) is None


def test_emails_are_trimmed_and_lower_cased() -> None:
    assert normalise("email", "  Li.Lei@Example.COM ") == "li.lei@example.com"


@pytest.mark.parametrize(
    "written", ["lilei", "a@b", "a b@c.d", "@c.d", "a@.d", "a@c..d", "noreply@shop.cn", "null@x.cn"]
)
def test_what_is_no_address_is_none(written: str) -> None:
    assert normalise("email", written) is None


def test_other_kinds_keep_their_case() -> None:
    assert normalise("wechat_openid", " oGZUI0egBJY1zhBYw2KhdUfwVJJE ") == "oGZUI0egBJY1zhBYw2KhdUfwVJJE"


# fmt: off
NOTHING = [
    "", "   ", "unknown", "NULL", "Undefined", "0", "None", "anonymous", "guest", "-1", "0000-0000",
    ZERO_UUID, "(not set)", "[object Object]", "{{user.id}}", "${userId}", "未知", "xxxx", "nan", "\x00",
    "\ud800", "a\nb", "ffffffff-ffff-ffff-ffff-ffffffffffff", "x" * (MAX_LENGTH + 1), "x" * 1_000_000,
]
# fmt: on


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("written", NOTHING, ids=lambda text: ascii(text[:16]))
def test_values_that_mean_no_value_are_none(kind: str, written: str) -> None:
    assert normalise(kind, written) is None


@pytest.mark.parametrize(
    "value", ["7", "u-1", "00042", "f", "xander", "测试用户", "123e4567-e89b-42d3-a456-426614174000"]
)
def test_short_but_real_values_stay(value: str) -> None:
    assert normalise("user_id", value) == value


def test_kinds_stand_in_order_of_strength_with_their_limits() -> None:
    assert all(a.priority < b.priority for a, b in pairwise(KINDS.values()))
    assert next(iter(KINDS)) == "user_id"
    assert {k.name: k.limit for k in KINDS.values() if k.limit} == {"user_id": 1, "phone": 3}


def test_an_unknown_kind_is_an_error_not_a_guess() -> None:
    with pytest.raises(KeyError):
        normalise("shoe_size", "42")


def test_the_fast_path_does_not_load_the_phone_library() -> None:
    code = (
        "import sys; from libs.common.identifiers import normalise; normalise('phone', '13912345678');"
        "sys.exit('phonenumbers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
