"""Calls of the services' HTTP APIs by the operator, with a token made for the moment."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx

from libs.devstack.errors import StackError
from libs.devstack.stack import Stack

TIMEOUT_SECONDS = 30.0


@contextmanager
def client(stack: Stack, service: str, scopes: Sequence[str], purposes: Sequence[str] = ()) -> Iterator[httpx.Client]:
    """A client of one service. Inside, an unreachable service becomes a StackError."""
    headers = {"Authorization": f"Bearer {stack.token(scopes, purposes)}"}
    url = stack.url(service)
    try:
        with httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False) as opened:
            yield opened
    except httpx.TransportError as error:
        raise StackError(
            f"{service} does not answer on {url} ({type(error).__name__}): `wanliu status` shows what runs"
        ) from error


def answer(response: httpx.Response) -> Any:
    """The JSON of a success. Raises StackError with the service's own words otherwise."""
    if response.is_success:
        return response.json() if response.content else None
    try:
        reason = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        reason = response.text[:500]
    raise StackError(f"{response.request.method} {response.request.url} was answered {response.status_code}: {reason}")
