"""Suites: known answers, nothing opens under the wrong key, data or place."""

import pytest

from libs.common import crypto
from libs.common.crypto import SUITES, CannotOpen, Suite

suites = pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)


def test_the_known_answers_hold() -> None:
    crypto.self_test()


def test_a_wrong_known_answer_stops_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hmac.digest", lambda *_: b"wrong")
    with pytest.raises(RuntimeError, match="self-test failed"):
        crypto.self_test()


@suites
def test_what_is_sealed_opens_with_the_same_key_and_place(suite: Suite) -> None:
    sealer = suite.sealer(suite.new_key())
    for plaintext in (b"", b"x", b"long" * 5000):
        assert sealer.open(sealer.seal(plaintext, b"place"), b"place") == plaintext


@suites
def test_two_seals_of_the_same_bytes_differ(suite: Suite) -> None:
    sealer = suite.sealer(suite.new_key())
    assert sealer.seal(b"same", b"") != sealer.seal(b"same", b"")


@suites
def test_another_key_or_place_does_not_open(suite: Suite) -> None:
    sealed = suite.sealer(key := suite.new_key()).seal(b"secret", b"place")
    for sealer, place in ((suite.sealer(suite.new_key()), b"place"), (suite.sealer(key), b"elsewhere")):
        with pytest.raises(CannotOpen):
            sealer.open(sealed, place)


@suites
def test_no_flipped_bit_opens(suite: Suite) -> None:
    sealer = suite.sealer(suite.new_key())
    sealed = sealer.seal(b"secret", b"place")
    for bit in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CannotOpen):
            sealer.open(bytes(changed), b"place")


@suites
@pytest.mark.parametrize("sealed", [b"", b"short", bytes(12), bytes(27)])
def test_truncated_bytes_do_not_open(suite: Suite, sealed: bytes) -> None:
    with pytest.raises(CannotOpen):
        suite.sealer(suite.new_key()).open(sealed, b"")


def test_associated_data_cannot_be_shifted_between_its_parts() -> None:
    assert crypto.associated("s", "ab", "c", b"") != crypto.associated("s", "a", "bc", b"")


def test_a_binding_is_the_set_of_its_pseudonyms() -> None:
    one, two = bytes(16), bytes(range(16))
    assert crypto.binding_id("w", [one, two]) == crypto.binding_id("w", [two, one, one])
    assert crypto.binding_id("w", [one]) != crypto.binding_id("w", [one, two])
    assert crypto.binding_id("w", [one]) != crypto.binding_id("v", [one])
