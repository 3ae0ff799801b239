"""The one way to make a process: settings, opened resources, routers, health, metrics, errors.

Nothing is opened at import. `resources` opens what the process needs on the lifespan's exit stack; handlers
reach it as `request.app.state.resources`. Tests run the true lifespan.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol, TypeVar, cast

import structlog
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError

from libs.common import crypto, telemetry
from libs.common.consumer import passes
from libs.common.errors import AppError, BadRequest, Unavailable, install_error_handlers, problem


class Resources(Protocol):
    """What a process has opened."""

    async def ready(self) -> dict[str, Any]:
        """What /readyz shows; raises errors.Unavailable with the reason when it cannot serve."""
        ...


R = TypeVar("R", bound=Resources)
health = APIRouter()


@health.get("/healthz", include_in_schema=False)
async def healthz() -> dict[str, str]:
    """The process runs."""
    return {"status": "ok"}


@health.get("/readyz", include_in_schema=False)
async def readyz(request: Request) -> dict[str, Any]:
    """The process can do its work now, else 503 with the reason."""
    resources = cast(Resources, request.app.state.resources)
    return {"status": "ready", **await resources.ready()}


async def _database_error(_: Request, error: Exception) -> JSONResponse:
    """A database that is away is waited for; a value that it cannot hold, such as U+0000, is the caller's."""
    known: AppError
    if passes(error):
        known = Unavailable(f"the database is away ({type(error).__name__})")
    elif str(getattr(getattr(error, "orig", None), "sqlstate", "")).startswith("22"):
        known = BadRequest("a value in the path or the query is one that no text or number here can be")
    else:
        raise error
    return problem(known.status, known.code, known.detail, known.headers)


def create_app(
    name: str,
    resources: Callable[[AsyncExitStack], Awaitable[R]],
    routers: Sequence[APIRouter] = (),
    *,
    log_level: str = "INFO",
) -> FastAPI:
    """An ASGI app named `wanliu <name>`; it starts only when the cryptographic self-test passes."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        telemetry.configure_logging(log_level)
        crypto.self_test()
        async with AsyncExitStack() as stack:
            app.state.resources = await resources(stack)
            structlog.get_logger().info("started", process=name)
            yield
        structlog.get_logger().info("stopped", process=name)

    app = FastAPI(title=f"wanliu {name}", lifespan=lifespan)
    install_error_handlers(app)
    for kind in (DBAPIError, OSError):
        app.add_exception_handler(kind, _database_error)
    for router in (health, telemetry.router, *routers):
        app.include_router(router)
    return app
