"""A request and its answer as the hot path needs them: raw ASGI, headers looked up once, one ready-made success.

Starlette's own classes serve every other route; here they would cost as much as reading and checking the event.
"""

from collections.abc import Awaitable, Callable
from typing import cast

from starlette.types import Receive, Scope, Send

from libs.common.errors import AppError, problem
from services.ingest.resources import Ingest

RawHeaders = list[tuple[bytes, bytes]]
_JSON = (b"content-type", b"application/json")


class Arrival:
    """An HTTP request. Of a header sent twice the last counts."""

    __slots__ = ("headers", "receive", "scope")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope, self.receive = scope, receive
        self.headers: dict[bytes, bytes] = dict(scope["headers"])

    @property
    def ingest(self) -> Ingest:
        """What the process has open."""
        return cast(Ingest, self.scope["app"].state.resources)

    def header(self, name: bytes) -> str:
        """A header's value, empty when it was not sent."""
        return self.headers.get(name, b"").decode("latin-1")

    def cors(self) -> RawHeaders:
        """Any page may send: a write key is public and only lets one add. No cookie is ever read."""
        origin = self.headers.get(b"origin")
        if origin is None:
            return []
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"vary", b"Origin"),
        ]


class Answer:
    """A complete answer with its headers as they go onto the wire."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes, headers: RawHeaders) -> None:
        self.status, self.body = status, body
        self.headers = [_JSON, (b"content-length", b"%d" % len(body)), *headers]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body})


App = Callable[[Scope, Receive, Send], Awaitable[None]]


def failure(arrival: Arrival, error: AppError) -> App:
    """problem+json that the sending page may read too."""
    response = problem(error.status, error.code, error.detail, error.headers)
    response.raw_headers += arrival.cors()
    return cast(App, response)
