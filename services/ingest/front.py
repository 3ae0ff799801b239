"""The hot paths straight in front of the app.

FastAPI and its middlewares cost more than everything that ingest does with one event. The doors need none of it:
they render their own errors and read their own bodies. So a plain table of exact paths is asked first, and
everything else (operators' API, health, metrics, docs) goes to the app.
"""

from collections.abc import Mapping

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from services.ingest.http import Arrival
from services.ingest.routes.segment import Door


class FrontDoor:
    """An ASGI app: `doors` by (method, path), else `app`."""

    def __init__(self, app: FastAPI, doors: Mapping[tuple[str, str], Door]) -> None:
        self.app, self._doors = app, doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        door = self._doors.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if door is None:
            await self.app(scope, receive, send)
            return
        scope["app"] = self.app
        answer = await door(Arrival(scope, receive))
        await answer(scope, receive, send)
