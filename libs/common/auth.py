"""Who calls and what they may: signed, short-lived bearer tokens with scopes and purposes.

A token is a JWT signed with Ed25519 (RFC 7519, RFC 8037) by whoever holds the private key; services hold the
public key only. `GET` and `POST` handlers ask for one with `Annotated[Caller, Depends(require("profiles:read"))]`.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import jwt
from fastapi import Request

from libs.common.clock import SECOND, Clock
from libs.common.errors import Forbidden, Unauthorized
from libs.common.purposes import PURPOSES

ALGORITHM = "EdDSA"
_EXPIRED = "this token has expired; issue a new one with `wanliu token issue`"
_now = time.time
AUDIENCE = "wanliu"
SCOPES = frozenset(
    {
        "profiles:read",
        "profiles:write",
        "personal:reveal",
        "segments:read",
        "segments:write",
        "insights:read",
        "insights:write",
        "identity:read",
        "identity:write",
        "privacy:read",
        "privacy:write",
        "audit:read",
        "ingest:admin",
    }
)


@dataclass(frozen=True)
class Caller:
    """The holder of a valid token."""

    subject: str
    workspace: str
    scopes: frozenset[str]
    purposes: frozenset[str]

    def must_hold(self, scope: str) -> None:
        """Raises Forbidden unless the token carries the scope."""
        if scope not in self.scopes:
            raise Forbidden(f"this token lacks the scope {scope!r}; it has {sorted(self.scopes)}")

    def must_serve(self, purpose: str) -> None:
        """Raises Forbidden unless the token may be used for the purpose."""
        if purpose not in self.purposes:
            raise Forbidden(f"this token may not be used for purpose {purpose!r}; it may for {sorted(self.purposes)}")


def issue(
    private_key: str,
    *,
    subject: str,
    workspace: str,
    scopes: Sequence[str],
    purposes: Sequence[str],
    lifetime_seconds: int,
    clock: Clock,
) -> str:
    """A signed token. Raises ValueError on an unknown scope or purpose."""
    for given, known, what in ((scopes, SCOPES, "scope"), (purposes, PURPOSES, "purpose")):
        unknown = sorted(set(given) - set(known))
        if unknown:
            raise ValueError(f"unknown {what} {unknown}; known are {sorted(known)}")
    now = clock.now() // SECOND
    claims = {
        "sub": subject,
        "aud": AUDIENCE,
        "workspace": workspace,
        "iat": now,
        "exp": now + lifetime_seconds,
    }
    return jwt.encode({**claims, "scopes": list(scopes), "purposes": list(purposes)}, private_key, ALGORITHM)


def verify(token: str, public_key: str) -> Caller:
    """The caller behind a token. Raises Unauthorized when it is forged, expired or malformed."""
    caller, expires = _signed(token, public_key)
    if expires <= _now():
        raise Unauthorized(_EXPIRED)
    return caller


# A signature does not change, and checking one costs more than the rest of a request; what raises is not kept.
@lru_cache(maxsize=4096)
def _signed(token: str, public_key: str) -> tuple[Caller, int]:
    try:
        claims = jwt.decode(
            token,
            public_key,
            [ALGORITHM],
            audience=AUDIENCE,
            options={"require": ["exp", "iat", "sub"]},
        )
        caller = Caller(claims["sub"], claims["workspace"], frozenset(claims["scopes"]), frozenset(claims["purposes"]))
        return caller, int(claims["exp"])
    except jwt.ExpiredSignatureError:
        raise Unauthorized(_EXPIRED) from None
    except (jwt.InvalidTokenError, KeyError, TypeError):
        raise Unauthorized("this token is not valid here; issue one with `wanliu token issue`") from None


@lru_cache(maxsize=8)
def _public_key(path: Path) -> str:
    return path.read_text()


def caller(request: Request) -> Caller:
    """The caller of a request, from `Authorization: Bearer <token>`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized("send 'Authorization: Bearer <token>'; `wanliu token issue` prints one")
    path = cast(Path, request.app.state.resources.settings.token_public_key_file)
    return verify(token.strip(), _public_key(path))


def require(scope: str) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency: the caller, holding `scope`."""

    async def dependency(request: Request) -> Caller:
        found = caller(request)
        found.must_hold(scope)
        return found

    return dependency
