"""What holds of every identifier that anybody may write."""

import phonenumbers
from hypothesis import example, given
from hypothesis import strategies as st

from libs.common.identifiers import KINDS, MAX_LENGTH, normalise

KIND = st.sampled_from(sorted(KINDS))
DIGITS = st.text("0123456789", max_size=14)


@given(KIND, st.text(max_size=300) | st.emails() | DIGITS | st.from_regex(r"[+0-9()\- ]{5,20}"))
@example("email", "İ@x.cn")
@example("email", "\u212a@X.CN")
@example("user_id", "\u3000１\u00a0")
def test_normalising_twice_is_normalising_once(kind: str, written: str) -> None:
    once = normalise(kind, written)
    if once is not None:
        assert normalise(kind, once) == once
        assert 0 < len(once) <= MAX_LENGTH
        assert once.isprintable()
        assert once == once.strip()


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True))
def test_the_fast_path_agrees_with_the_library_on_every_number_that_it_accepts(digits: str) -> None:
    number = phonenumbers.parse(digits, "CN")
    if phonenumbers.is_valid_number(number):
        formatted = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        assert normalise("phone", digits) in (formatted, None)
        assert normalise("phone", formatted) == normalise("phone", digits)


@given(st.emails(), st.sampled_from(["", " ", "\t", "\u3000", "\u200b"]))
def test_case_and_blanks_around_an_address_do_not_matter(address: str, blank: str) -> None:
    assert normalise("email", blank + address.upper() + blank) == normalise("email", address)
