"""Profiles over HTTP. Every question names a purpose; identifiers never enter a log."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from libs.common.auth import Caller, require
from libs.common.clock import iso
from libs.common.ids import customer_text
from services.profile import locating, queries, reading
from services.profile.asking import PARAMETERS, Asked, same_workspace
from services.profile.resources import resources
from services.profile.schemas import (
    Accounting,
    BatchGet,
    Lookup,
    Profile,
    Profiles,
    RevealAnswer,
    Reveals,
    SourceAccount,
    Timeline,
)
from services.profile.timeline import END, parse_cursor

MAX_EVENTS = 500
MAX_REVEALS = 1000

router = APIRouter(prefix="/v1", tags=["profile"])
Reader = Annotated[Caller, Depends(require("profiles:read"))]
Auditor = Annotated[Caller, Depends(require("audit:read"))]


@router.post("/profiles:lookup", openapi_extra=PARAMETERS)
async def lookup(asked: Asked, identifier: Lookup) -> Profile:
    """The profile of whoever owns an identifier."""
    return await reading.profile(asked, await locating.by_identifier(asked, identifier.kind, identifier.value))


@router.post("/profiles:batchGet", openapi_extra=PARAMETERS)
async def batch_get(asked: Asked, wanted: BatchGet) -> Profiles:
    """Several profiles, in the order asked for; ids that do not exist are listed, not an error."""
    ids = {text: locating.parse_customer(text) for text in wanted.customer_ids}
    found = await locating.by_ids(asked, list(ids.values()))
    profiles = await reading.profiles(asked, [found[key] for key in ids.values() if key in found])
    return Profiles(profiles=profiles, missing=[text for text, key in ids.items() if key not in found])


@router.get("/profiles/by/{kind}/{value:path}", openapi_extra=PARAMETERS)
async def by_identifier(asked: Asked, kind: str, value: str) -> Profile:
    """As `profiles:lookup`, for tools that can only GET."""
    return await reading.profile(asked, await locating.by_identifier(asked, kind, value))


@router.get("/profiles/{customer_id}", openapi_extra=PARAMETERS)
async def by_id(asked: Asked, customer_id: str) -> Profile:
    """The profile of a customer; the id of one that was merged answers with the customer it is now."""
    return await reading.profile(asked, await locating.by_id(asked, customer_id))


@router.get("/profiles/{customer_id}/timeline", openapi_extra=PARAMETERS)
async def timeline(
    asked: Asked,
    customer_id: str,
    limit: Annotated[int, Query(ge=1, le=MAX_EVENTS)] = 100,
    before: Annotated[str, Query(description="the `next` of the page before")] = "",
) -> Timeline:
    """The customer's events, newest first."""
    cursor = parse_cursor(before) if before else END
    return await reading.events(asked, await locating.by_id(asked, customer_id), cursor, limit)


@router.get("/accounting")
async def accounting(request: Request, caller: Reader) -> Accounting:
    """Events stored and erased per source: profile's side of `wanliu reconcile`. Concerns no person."""
    opened = resources(request)
    same_workspace(opened, caller)
    partition = await opened.partition()
    position, accounts = await queries.accounts(opened.pool, caller.workspace, partition)
    sources = [SourceAccount(source=each.source, stored=each.stored, erased=each.erased) for each in accounts]
    return Accounting(positions={partition: position}, sources=sources)


@router.get("/reveals")
async def reveals(
    request: Request,
    caller: Auditor,
    customer_id: str | None = None,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_REVEALS)] = 100,
) -> Reveals:
    """Who was shown personal information, of whom, for what purpose, and which; never a value."""
    opened = resources(request)
    same_workspace(opened, caller)
    customer = None if customer_id is None else locating.parse_customer(customer_id)
    found = await queries.reveals(opened.pool, caller.workspace, customer, after, limit)
    answers = [_reveal(each) for each in found]
    return Reveals(reveals=answers, next=answers[-1].position if len(answers) == limit else None)


def _reveal(found: queries.Reveal) -> RevealAnswer:
    return RevealAnswer(
        position=found.position,
        at=iso(found.at),
        caller=found.caller,
        customer_id=customer_text(found.customer),
        purpose=found.purpose,
        names=found.names,
    )
