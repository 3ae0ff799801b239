"""Asking privacy where people stand, before anything personal is used. Nothing is cached.

So whoever asks after a withdrawal was answered finds it withdrawn. No answer is errors.Unavailable: never a yes.
"""

from collections.abc import Sequence

import msgspec
import nats.errors
from nats.aio.client import Client

from libs.common.contracts import standing
from libs.common.contracts.standing import Standing
from libs.common.contracts.vault import ERROR_HEADER
from libs.common.errors import Unavailable

MAX_PSEUDONYMS = 20_000
"""In one request; its 16 bytes each stay far below what the broker takes."""


class StandingClient:
    """One workspace's people, over a NATS connection. Make one per process and share it."""

    def __init__(self, nc: Client, workspace: str, *, timeout: float = 2.0) -> None:
        self._nc, self._workspace, self._timeout = nc, workspace, timeout

    async def standings(self, subjects: Sequence[Sequence[bytes]]) -> list[Standing]:
        """Where each person, given by all pseudonyms, stands; in order. Raises Unavailable."""
        found: list[Standing] = []
        for page in _pages(subjects):
            found += await self._ask(page)
        return found

    async def _ask(self, subjects: list[list[bytes]]) -> list[Standing]:
        request = msgspec.msgpack.encode(standing.StandingRequest(self._workspace, subjects))
        try:
            message = await self._nc.request(standing.SUBJECT, request, timeout=self._timeout)
        except (nats.errors.Error, TimeoutError, OSError) as error:
            raise Unavailable(f"privacy does not say who may be processed ({type(error).__name__})") from error
        if message.headers and ERROR_HEADER in message.headers:
            raise Unavailable(f"privacy does not say who may be processed: {message.data.decode()}")
        reply = msgspec.msgpack.decode(message.data, type=standing.StandingReply)
        if len(reply.standings) != len(subjects):
            raise Unavailable("privacy answered about others than were asked for")
        return reply.standings


def _pages(subjects: Sequence[Sequence[bytes]]) -> list[list[list[bytes]]]:
    pages: list[list[list[bytes]]] = [[]]
    room = MAX_PSEUDONYMS
    for subject in subjects:
        if len(subject) > room and pages[-1]:
            pages.append([])
            room = MAX_PSEUDONYMS
        pages[-1].append(list(subject))
        room -= len(subject)
    return [page for page in pages if page]
