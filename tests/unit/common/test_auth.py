"""Tokens: what is signed is believed, everything else is refused."""

from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from libs.common import auth
from libs.common.clock import SECOND, FixedClock, SystemClock
from libs.common.errors import Forbidden, Unauthorized


def key_pair() -> tuple[str, str]:
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


PRIVATE, PUBLIC = key_pair()


def token(
    scopes: Sequence[str] = ("profiles:read",),
    purposes: Sequence[str] = ("service",),
    *,
    private: str = PRIVATE,
    at: int | None = None,
) -> str:
    clock = SystemClock() if at is None else FixedClock(at)
    return auth.issue(
        private,
        subject="ana",
        workspace="default",
        scopes=scopes,
        purposes=purposes,
        lifetime_seconds=60,
        clock=clock,
    )


def test_a_token_says_who_may_do_what_for_which_purpose() -> None:
    caller = auth.verify(token(), PUBLIC)
    assert (caller.subject, caller.workspace) == ("ana", "default")
    caller.must_hold("profiles:read")
    caller.must_serve("service")


def test_a_missing_scope_or_purpose_is_forbidden() -> None:
    caller = auth.verify(token(), PUBLIC)
    with pytest.raises(Forbidden, match="personal:reveal"):
        caller.must_hold("personal:reveal")
    with pytest.raises(Forbidden, match="marketing"):
        caller.must_serve("marketing")


def test_a_token_of_another_key_is_refused() -> None:
    with pytest.raises(Unauthorized, match="not valid here"):
        auth.verify(token(private=key_pair()[0]), PUBLIC)


def test_an_expired_token_says_so() -> None:
    with pytest.raises(Unauthorized, match="expired"):
        auth.verify(token(at=SystemClock().now() - 120 * SECOND), PUBLIC)


def test_a_token_expires_although_it_was_believed_before(monkeypatch: pytest.MonkeyPatch) -> None:
    held = token()
    assert auth.verify(held, PUBLIC) == auth.verify(held, PUBLIC)
    later = SystemClock().now() // SECOND + 61
    monkeypatch.setattr(auth, "_now", lambda: later)
    with pytest.raises(Unauthorized, match="expired"):
        auth.verify(held, PUBLIC)


def test_a_token_believed_under_one_key_is_not_believed_under_another() -> None:
    held = token()
    auth.verify(held, PUBLIC)
    with pytest.raises(Unauthorized, match="not valid here"):
        auth.verify(held, key_pair()[1])


@pytest.mark.parametrize("flip", range(0, 240, 7))
def test_no_changed_character_passes(flip: int) -> None:
    whole = token()
    place = flip % len(whole)
    changed = whole[:place] + ("A" if whole[place] != "A" else "B") + whole[place + 1 :]
    with pytest.raises(Unauthorized):
        auth.verify(changed, PUBLIC)


def test_unsigned_and_empty_tokens_are_refused() -> None:
    for bad in ("", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbmEifQ."):
        with pytest.raises(Unauthorized):
            auth.verify(bad, PUBLIC)


def test_an_unknown_scope_or_purpose_is_never_issued() -> None:
    with pytest.raises(ValueError, match="unknown scope"):
        token(scopes=["everything"])
    with pytest.raises(ValueError, match="unknown purpose"):
        token(purposes=["curiosity"])
