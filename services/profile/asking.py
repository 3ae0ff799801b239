"""What every question about a profile carries: who asks, for what purpose, as of when, what to reveal."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Query, Request

from libs.common.auth import Caller, require
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


Reader = Annotated[Caller, Depends(require("profiles:read"))]


async def ask(
    request: Request,
    caller: Reader,
    purpose: Annotated[str, Query(description=f"why: {', '.join(PURPOSES)}; the token must allow it")],
    at_least: Annotated[str | None, Query(description="`partition:position` of EVENTS that must be applied")] = None,
    at: Annotated[str | None, Query(description="as of this RFC 3339 time, or the end of this UTC day")] = None,
    reveal: Annotated[
        str | None,
        Query(description="with scope personal:reveal: `personal`, `identifiers`, `personal.city`, ... or `none`"),
    ] = None,
) -> Ask:
    """The dependency. Raises what the caller did wrong, and Unavailable when `at_least` is not reached."""
    opened = resources(request)
    caller.must_serve(purpose)
    same_workspace(opened, caller)
    partition = await opened.partition()
    if at_least is not None:
        await _wait(opened, partition, at_least)
    as_of = None if at is None else parse_moment(at)
    return Ask(opened, caller, purpose, partition, as_of, _wanted(reveal))


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
