"""What every question carries: who asks, for what purpose, about which time."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import Depends, Query, Request

from libs.common.auth import Caller, require
from libs.common.errors import BadRequest, Forbidden
from libs.common.purposes import PURPOSES, Basis
from services.insights.resources import InsightsResources, resources

MAX_DAYS = 1_100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Reader = Annotated[Caller, Depends(require("insights:read"))]
Writer = Annotated[Caller, Depends(require("insights:write"))]


@dataclass(frozen=True)
class Ask:
    """A permitted question about whole days in a timezone, both inclusive."""

    opened: InsightsResources
    caller: Caller
    purpose: str
    timezone: str
    first: date
    last: date

    @property
    def start(self) -> int:
        """The first microsecond."""
        return _midnight(self.first, self.timezone)

    @property
    def end(self) -> int:
        """The first microsecond after."""
        return _midnight(self.last + timedelta(days=1), self.timezone)


async def ask(
    request: Request,
    caller: Reader,
    from_: Annotated[date, Query(alias="from", description="the first day, such as 2026-11-01")],
    to: Annotated[date, Query(description="the last day, inclusive")],
    timezone: Annotated[
        str, Query(description="whose days: an IANA name such as Asia/Shanghai", max_length=64)
    ] = "UTC",
    purpose: Annotated[str, Query(description="why; the token must allow it")] = "service",
) -> Ask:
    """The dependency. Raises what the caller did wrong."""
    opened = resources(request)
    same_workspace(opened, caller)
    must_allow(caller, purpose)
    try:
        ZoneInfo(timezone)
    except (KeyError, ValueError, OSError):
        raise BadRequest("`timezone` is an IANA name such as Asia/Shanghai") from None
    if not timedelta() <= to - from_ < timedelta(days=MAX_DAYS) or not 1970 <= from_.year <= to.year <= 2200:
        raise BadRequest(f"`from` and `to` are days in order, at most {MAX_DAYS} of them")
    return Ask(opened, caller, purpose, timezone, from_, to)


def must_allow(caller: Caller, purpose: str) -> None:
    """Raises Forbidden unless sums over everybody may be given for the purpose.

    They are part of performing the workspace's contract, so they stand on a basis that needs nobody's consent. A
    purpose that stands on consent would have to leave out whoever did not give it: not a total of channels.
    """
    caller.must_serve(purpose)
    if PURPOSES.get(purpose) is not Basis.CONTRACT:
        raise Forbidden(
            f"channel figures are sums over all customers and are given for 'service' only; {purpose!r} needs each "
            "customer's consent"
        )


def same_workspace(opened: InsightsResources, caller: Caller) -> None:
    """Raises Forbidden when the token is for a workspace that this process does not serve."""
    if caller.workspace != opened.settings.workspace:
        raise Forbidden(f"this token is for workspace {caller.workspace!r}; here is {opened.settings.workspace!r}")


def _midnight(day: date, timezone: str) -> int:
    return (datetime.combine(day, time(), ZoneInfo(timezone)) - _EPOCH) // timedelta(microseconds=1)


Asked = Annotated[Ask, Depends(ask)]
