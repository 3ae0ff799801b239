"""privacy's HTTP API."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request

from libs.common.auth import Caller, require
from libs.common.clock import iso
from libs.common.contracts.events import EVENTS, Erasure
from libs.common.contracts.vault import WorkspaceRequest
from libs.common.errors import NotFound, Unavailable
from libs.common.eventlog.base import LogFull, LogUnavailable, events_stream
from libs.common.ids import new_id
from services.privacy import ledger
from services.privacy.naming import known
from services.privacy.resources import PrivacyResources
from services.privacy.schemas import ErasureAccepted, ErasureIn, ErasureOut

router = APIRouter(prefix="/v1", tags=["privacy"])


def resources(request: Request) -> PrivacyResources:
    """What the process has opened."""
    return cast(PrivacyResources, request.app.state.resources)


Opened = Annotated[PrivacyResources, Depends(resources)]


@router.post("/erasures", status_code=202)
async def erase(
    body: ErasureIn, opened: Opened, caller: Annotated[Caller, Depends(require("privacy:write"))]
) -> ErasureAccepted:
    """Asks to forget a person. Identity decides at the answered position who that is; then keys are destroyed."""
    opened.gate.must_be_open()
    seeds = await known(opened.vault, caller.workspace, body.identifiers)
    request, partition = new_id(), (await opened.vault.workspace(WorkspaceRequest(caller.workspace))).partition
    entry = EVENTS.encode(Erasure(caller.workspace, opened.vault.ring.clock.now(), request, seeds))
    try:
        position = await opened.log.append(events_stream(partition), entry, message_id=request)
    except (LogUnavailable, LogFull) as error:
        raise Unavailable("the log did not take the request; send it again") from error
    async with opened.engine.begin() as connection:
        await ledger.note_request(connection, caller.workspace, request, position)
    return ErasureAccepted(request=request, position=position)


@router.get("/erasures/{request}")
async def erasure(
    request: str, opened: Opened, caller: Annotated[Caller, Depends(require("privacy:read"))]
) -> ErasureOut:
    """How far a request is."""
    async with opened.engine.connect() as connection:
        found = await ledger.erasure(connection, caller.workspace, request)
    if found is None:
        raise NotFound(f"there is no erasure {request!r} in this workspace")
    known, wiped_at = found
    done = known.erased_at is not None and wiped_at is not None
    return ErasureOut(
        request=request,
        position=known.position,
        status="erased" if done else "pending",
        bindings=known.bindings if done else 0,
        identifiers=known.identifiers if done else 0,
        erased_at=iso(known.erased_at) if done and known.erased_at is not None else None,
    )
