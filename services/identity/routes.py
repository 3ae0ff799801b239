"""What is known about customers, never who they are."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.auth import Caller, require
from libs.common.errors import BadRequest, NotFound
from libs.common.ids import customer_bytes, customer_text
from services.identity import queries
from services.identity.schemas import (
    AccountingAnswer,
    BindingAnswer,
    CustomerAnswer,
    HeldAnswer,
    MergeAnswer,
    RefusalAnswer,
    RefusalsAnswer,
    SourceAccount,
)

MAX_BINDINGS = 1000
MAX_REFUSALS = 1000

router = APIRouter(prefix="/v1", tags=["identity"])


async def _snapshot(request: Request) -> AsyncIterator[AsyncConnection]:
    """A connection that sees one moment, however many queries an answer takes."""
    engine = request.app.state.resources.engine.execution_options(isolation_level="REPEATABLE READ")
    async with engine.connect() as connection:
        yield connection


Reader = Annotated[Caller, Depends(require("identity:read"))]
Snapshot = Annotated[AsyncConnection, Depends(_snapshot, scope="function")]


@router.get("/customers/{customer_id}")
async def customer(customer_id: str, caller: Reader, snapshot: Snapshot) -> CustomerAnswer:
    """A customer; the id of one that was merged answers with the customer it is part of now."""
    found = await queries.live_customer(snapshot, caller.workspace, _customer_bytes(customer_id))
    if found is None:
        raise NotFound(f"there is no customer {customer_id} in workspace {caller.workspace}")
    return CustomerAnswer(
        customer_id=customer_text(found),
        pseudonyms=await queries.pseudonym_counts(snapshot, found),
        binding_count=await queries.count_bindings(snapshot, found),
        bindings=[
            BindingAnswer(
                binding=row.binding.hex(),
                pseudonyms=[each.hex() for each in row.pseudonyms],
                first_position=row.first_position,
            )
            for row in await queries.bindings_of(snapshot, found, MAX_BINDINGS)
        ],
        merged_from=[
            MergeAnswer(customer_id=customer_text(row.former), binding=row.binding.hex(), position=row.position)
            for row in await queries.former_customers_of(snapshot, found)
        ],
    )


@router.get("/refusals")
async def refusals(
    caller: Reader,
    snapshot: Snapshot,
    after: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_REFUSALS)] = 100,
) -> RefusalsAnswer:
    """What was not linked and why, in the order of the log; a page ends with a whole position."""
    rows = await queries.refusals_after(snapshot, caller.workspace, after, limit)
    answers = [
        RefusalAnswer(
            position=row.position,
            binding=row.binding.hex(),
            rule=row.rule,
            held=[
                HeldAnswer(kind=kind, pseudonym=each.hex()) for kind, each in zip(row.held_kinds, row.held, strict=True)
            ],
            customers=[customer_text(each) for each in row.customers],
        )
        for row in rows
    ]
    return RefusalsAnswer(refusals=answers, next=answers[-1].position if len(answers) >= limit else None)


@router.get("/accounting")
async def accounting(caller: Reader, snapshot: Snapshot) -> AccountingAnswer:
    """Fresh, duplicate and suppressed events per source: identity's side of `wanliu reconcile`."""
    rows = await queries.accounting_of(snapshot, caller.workspace)
    return AccountingAnswer(
        positions=await queries.positions_now(snapshot),
        sources=[
            SourceAccount(source=row.source, fresh=row.fresh, duplicate=row.duplicate, suppressed=row.suppressed)
            for row in rows
        ],
    )


def _customer_bytes(text: str) -> bytes:
    try:
        return customer_bytes(text)
    except ValueError as error:
        raise BadRequest(str(error)) from None
