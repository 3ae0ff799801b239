"""What every question about a profile carries: who asks, for what purpose, as of when, what to reveal."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, Request, Response

from libs.common.auth import Caller, caller
from libs.common.errors import BadRequest, Forbidden
from libs.common.purposes import PURPOSES
from services.profile.resources import ProfileResources, resources
from services.profile.waiting import parse_at_least

REVEALABLE = ("personal", "identifiers")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Ask:
    """A question that the token permits; what of a customer it may see is decided per customer (permitting.py)."""

    opened: ProfileResources
    caller: Caller
    purpose: str
    partition: int
    as_of: int | None
    wanted: frozenset[str]

    def may_reveal(self) -> bool:
        """Whether the token may see values that are personal at all."""
        return "personal:reveal" in self.caller.scopes

    def wants(self, name: str) -> bool:
        """Whether `name` (such as `personal.city`) is to be revealed."""
        return name in self.wanted or name.partition(".")[0] in self.wanted


def _parameter(name: str, description: str, required: bool = False) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": required, "description": description, "schema": {"type": "string"}}


PARAMETERS = {
    "parameters": [
        _parameter("purpose", f"why: {', '.join(PURPOSES)}; the token must allow it", required=True),
        _parameter("at_least", "`partition:position` of EVENTS that must be applied; waits for it"),
        _parameter("at", "as of this RFC 3339 time, or the end of this UTC day"),
        _parameter("reveal", "with scope personal:reveal: `personal`, `identifiers`, `personal.city`, ...; or `none`"),
    ]
}
"""For `openapi_extra` of every route that asks: FastAPI's own parsing of these would be a third of a request."""


async def ask(request: Request, response: Response) -> Ask:
    """The dependency. Raises what the caller did wrong, and Unavailable when `at_least` is not reached."""
    response.headers["Cache-Control"] = "no-store"
    asking = caller(request)
    asking.must_hold("profiles:read")
    given = request.query_params
    purpose = given.get("purpose")
    if not purpose:
        raise BadRequest(f"say why: `?purpose=` is missing; purposes are {', '.join(PURPOSES)}")
    asking.must_serve(purpose)
    opened = resources(request)
    same_workspace(opened, asking)
    partition = await opened.partition()
    if at_least := given.get("at_least"):
        await _wait(opened, partition, at_least)
    as_of = parse_moment(at) if (at := given.get("at")) else None
    return Ask(opened, asking, purpose, partition, as_of, _wanted(given.get("reveal")))


def same_workspace(opened: ProfileResources, caller: Caller) -> None:
    """Raises Forbidden when the token is for a workspace that this process does not serve."""
    if caller.workspace != opened.settings.workspace:
        raise Forbidden(f"this token is for workspace {caller.workspace!r}; here is {opened.settings.workspace!r}")


async def _wait(opened: ProfileResources, partition: int, at_least: str) -> None:
    asked, position = parse_at_least(at_least)
    if asked != partition:
        raise BadRequest(f"the workspace lives in partition {partition}, `at_least` names {asked}")
    await opened.arrivals(partition).wait(position, opened.settings.profile_wait_seconds)


def parse_moment(given: str) -> int:
    """Microseconds of an RFC 3339 time, or of the last moment of a UTC day. Raises BadRequest."""
    try:
        if len(given) == len("2026-01-31"):
            day = datetime.combine(date.fromisoformat(given), datetime.min.time(), UTC)
            return (day + timedelta(days=1) - _EPOCH) // timedelta(microseconds=1) - 1
        # A `+` of the zone arrives as a blank when the client did not escape it.
        moment = datetime.fromisoformat(given.replace(" ", "+"))
        if moment.tzinfo is None:
            raise BadRequest("`at` needs a zone: 2026-01-31T08:00:00Z or 2026-01-31T16:00:00+08:00")
        return (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        raise BadRequest("`at` is a day such as 2026-01-31, or a time such as 2026-01-31T08:00:00Z") from None


def _wanted(reveal: str | None) -> frozenset[str]:
    if reveal is None:
        return frozenset(REVEALABLE)
    wanted = frozenset(name.strip() for name in reveal.split(",")) - {"", "none"}
    unknown = sorted(name for name in wanted if name.partition(".")[0] not in REVEALABLE)
    if unknown:
        raise BadRequest(f"`reveal` names parts of {' and '.join(REVEALABLE)}, such as personal.city; or `none`")
    return wanted


Asked = Annotated[Ask, Depends(ask)]
