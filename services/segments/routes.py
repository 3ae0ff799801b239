"""Definitions are written to the log; who is in a segment is read for the segment's own purpose only."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.auth import Caller, require
from libs.common.clock import iso
from libs.common.contracts.events import EVENTS, SegmentDefined, SegmentDeleted
from libs.common.errors import BadRequest, Conflict, Forbidden, NotFound, Unavailable
from libs.common.eventlog.base import LogError, events_stream
from libs.common.ids import customer_bytes, customer_text
from libs.common.purposes import PURPOSES
from services.segments import definition, queries
from services.segments.permitting import permitted
from services.segments.reading import write_definition
from services.segments.resources import SegmentsResources, resources
from services.segments.schemas import (
    Define,
    MemberAnswer,
    MembersAnswer,
    MembershipAnswer,
    MembershipsAnswer,
    SegmentAnswer,
    SegmentsAnswer,
    Written,
)

MAX_SEGMENTS = 100
MAX_MEMBERS = 1000

router = APIRouter(prefix="/v1", tags=["segments"])


def _same_workspace(opened: SegmentsResources, caller: Caller) -> None:
    if caller.workspace != opened.settings.workspace:
        raise Forbidden(f"this token is for workspace {caller.workspace!r}; here is {opened.settings.workspace!r}")


async def _snapshot(
    request: Request,
    at_least: Annotated[str | None, Query(description="`partition:position` that must be applied")] = None,
) -> AsyncIterator[AsyncConnection]:
    """A connection that sees one moment, however many queries an answer takes."""
    opened = resources(request)
    await opened.wait(at_least)
    engine = opened.engine.execution_options(isolation_level="REPEATABLE READ")
    async with engine.connect() as connection:
        yield connection


Reader = Annotated[Caller, Depends(require("segments:read"))]
Writer = Annotated[Caller, Depends(require("segments:write"))]
Snapshot = Annotated[AsyncConnection, Depends(_snapshot, scope="function")]
Purpose = Annotated[str, Query(description=f"why: {', '.join(PURPOSES)}; the token must allow it")]


@router.get("/segments/schema")
async def schema() -> dict[str, Any]:
    """The JSON Schema of a definition."""
    return definition.schema()


@router.post("/segments", status_code=201)
async def define(request: Request, caller: Writer, snapshot: Snapshot, wanted: Define) -> Written:
    """Defines a segment; history that is known counts from the start."""
    opened = resources(request)
    _same_workspace(opened, caller)
    if len(await queries.segments_of(snapshot, caller.workspace)) >= MAX_SEGMENTS:
        raise Conflict(f"a workspace has at most {MAX_SEGMENTS} segments: delete one that nobody uses")
    return await _define(opened, caller, f"seg_{opened.new_id()}", wanted)


@router.put("/segments/{segment}")
async def redefine(request: Request, caller: Writer, snapshot: Snapshot, segment: str, wanted: Define) -> Written:
    """Defines the segment anew; with another purpose everybody leaves it first."""
    await _existing(request, caller, snapshot, segment)
    return await _define(resources(request), caller, segment, wanted)


@router.delete("/segments/{segment}")
async def delete(request: Request, caller: Writer, snapshot: Snapshot, segment: str) -> Written:
    """Ends the segment; nobody is in it any more."""
    await _existing(request, caller, snapshot, segment)
    opened = resources(request)
    return await _append(opened, segment, SegmentDeleted(caller.workspace, opened.clock.now(), segment, caller.subject))


@router.get("/segments")
async def segments(request: Request, caller: Reader, snapshot: Snapshot) -> SegmentsAnswer:
    """All definitions and how many are in each. Concerns no single person."""
    _same_workspace(resources(request), caller)
    return SegmentsAnswer(segments=[_answer(row) for row in await queries.segments_of(snapshot, caller.workspace)])


@router.get("/segments/{segment}")
async def segment(request: Request, caller: Reader, snapshot: Snapshot, segment: str) -> SegmentAnswer:
    """One definition and how many are in it."""
    return _answer(await _existing(request, caller, snapshot, segment))


@router.get("/segments/{segment}/members")
async def members(
    request: Request,
    caller: Reader,
    snapshot: Snapshot,
    segment: str,
    purpose: Purpose,
    limit: Annotated[int, Query(ge=1, le=MAX_MEMBERS)] = 100,
    after: Annotated[str, Query(description="the `next` of the page before")] = "",
) -> MembersAnswer:
    """Who is in the segment, by customer id: for its own purpose, and only whom it may be used for right now."""
    caller.must_serve(purpose)
    found = await _existing(request, caller, snapshot, segment)
    if purpose != found.purpose:
        raise Forbidden(f"segment {segment} serves {found.purpose!r}: its members are not shown for {purpose!r}")
    rows = await queries.members_of(snapshot, segment, _customer(after) if after else b"", limit)
    opened = resources(request)
    horizon = await queries.horizon(snapshot, await opened.partition())
    shown = await permitted(opened.standings, snapshot, purpose, [row.customer for row in rows])
    answers = [
        MemberAnswer(customer_id=customer_text(row.customer), since=iso(row.since), reason=row.reason)
        for row in rows
        if row.customer in shown
    ]
    return MembersAnswer(
        segment=segment,
        purpose=purpose,
        clock=iso(horizon.clock),
        members=answers,
        next=customer_text(rows[-1].customer) if len(rows) == limit else None,
    )


@router.get("/customers/{customer_id}/segments")
async def memberships(
    request: Request, caller: Reader, snapshot: Snapshot, customer_id: str, purpose: Purpose
) -> MembershipsAnswer:
    """The customer's segments of one purpose; the id of one that was merged answers with the customer it is now."""
    opened = resources(request)
    _same_workspace(opened, caller)
    caller.must_serve(purpose)
    customer = await queries.live_customer(snapshot, caller.workspace, _customer(customer_id))
    if customer is None:
        raise NotFound(f"there is no customer {customer_id}: the id was never given, or the person was erased")
    shown = await permitted(opened.standings, snapshot, purpose, [customer])
    rows = await queries.memberships(snapshot, caller.workspace, customer, purpose) if shown else []
    horizon = await queries.horizon(snapshot, await opened.partition())
    return MembershipsAnswer(
        customer_id=customer_text(customer),
        purpose=purpose,
        clock=iso(horizon.clock),
        segments=[
            MembershipAnswer(segment=row.segment, name=row.name, since=iso(row.since), reason=row.reason)
            for row in rows
        ],
    )


async def _existing(request: Request, caller: Caller, snapshot: AsyncConnection, segment: str) -> Any:
    _same_workspace(resources(request), caller)
    found = await queries.segment_of(snapshot, caller.workspace, segment)
    if found is None:
        raise NotFound(f"there is no segment {segment} in workspace {caller.workspace}")
    return found


async def _define(opened: SegmentsResources, caller: Caller, segment: str, wanted: Define) -> Written:
    definition.parse(wanted.definition, "/definition")
    if wanted.purpose not in PURPOSES:
        raise definition.InvalidDefinition(f"/purpose: is one of {', '.join(PURPOSES)}")
    data = write_definition(wanted.definition)
    now, actor = opened.clock.now(), caller.subject
    entry = SegmentDefined(caller.workspace, now, segment, wanted.name, wanted.purpose, data, actor)
    return await _append(opened, segment, entry)


async def _append(opened: SegmentsResources, segment: str, entry: SegmentDefined | SegmentDeleted) -> Written:
    partition = await opened.partition()
    try:
        position = await opened.log.append(events_stream(partition), EVENTS.encode(entry))
    except LogError as error:
        raise Unavailable(f"the log does not answer ({type(error).__name__}): it may or may not hold this") from error
    return Written(segment=segment, position=f"{partition}:{position}")


def _answer(row: Any) -> SegmentAnswer:
    return SegmentAnswer(
        segment=row.segment,
        name=row.name,
        purpose=row.purpose,
        definition=msgspec.json.decode(row.definition),
        defined_at=iso(row.at),
        members=row.members,
        backfilling=row.backfilling,
    )


def _customer(text: str) -> bytes:
    try:
        return customer_bytes(text)
    except ValueError as error:
        raise BadRequest(str(error)) from None
