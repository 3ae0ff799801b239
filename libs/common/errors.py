"""Errors that reach a caller: RFC 9457 problem+json. A message says what was wrong, where, and what is right."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse


class AppError(Exception):
    """An error with an HTTP status and a stable code; `detail` never holds personal data."""

    status = 500
    code = "internal"

    def __init__(self, detail: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers


class BadRequest(AppError):
    status, code = 400, "bad_request"


class Unauthorized(AppError):
    status, code = 401, "unauthorized"


class Forbidden(AppError):
    status, code = 403, "forbidden"


class NotFound(AppError):
    status, code = 404, "not_found"


class Conflict(AppError):
    status, code = 409, "conflict"


class TooLarge(AppError):
    status, code = 413, "too_large"


class Unavailable(AppError):
    """A part we need is away; nothing was stored, so the same request may be sent again."""

    status, code = 503, "unavailable"

    def __init__(self, detail: str, *, retry_after: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after)})


def problem(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """The one form of an error answer."""
    body = {
        "type": f"urn:wanliu:error:{code}",
        "title": code.replace("_", " "),
        "status": status,
        "code": code,
    }
    return JSONResponse({**body, "detail": detail}, status, media_type="application/problem+json", headers=headers)


async def _app_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AppError)  # noqa: S101 - narrows the handler's type
    return problem(error.status, error.code, error.detail, error.headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - narrows the handler's type
    # The input itself is left out: it may hold personal data.
    places = "; ".join(f"{'/'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors())
    return problem(422, "invalid", places)


def install_error_handlers(app: FastAPI) -> None:
    """Renders AppError and validation errors as problem+json."""
    app.add_exception_handler(AppError, _app_error)
    app.add_exception_handler(RequestValidationError, _invalid)
