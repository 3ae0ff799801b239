"""Decisions and requests over HTTP. A 200 means: in force."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from libs.common.auth import Caller, require
from libs.common.clock import iso
from libs.common.errors import BadRequest
from libs.common.purposes import PURPOSES, may_process
from services.privacy.naming import known, normalised
from services.privacy.resources import PrivacyResources
from services.privacy.rights import preview
from services.privacy.rights.importing import import_consents, parse_time
from services.privacy.rights.recording import RECORDED, UNCHANGED, Decided, check_purpose
from services.privacy.rights.requests import Requests
from services.privacy.rights.schemas import (
    ConfirmIn,
    ConsentIn,
    ConsentsOut,
    DecisionIn,
    DecisionOut,
    ImportError_,
    ImportOut,
    Known,
    LookupIn,
    PurposeOut,
    RequestIn,
    RequestOut,
)
from services.privacy.rights.standing import standings

router = APIRouter(prefix="/v1", tags=["rights"])
Reader = Annotated[Caller, Depends(require("privacy:read"))]
Writer = Annotated[Caller, Depends(require("privacy:write"))]


def resources(request: Request) -> PrivacyResources:
    """What the process has opened; refuses while the vault is closed."""
    opened: PrivacyResources = request.app.state.resources
    opened.gate.must_be_open()
    return opened


Opened = Annotated[PrivacyResources, Depends(resources)]
_KNOWN = """
SELECT pseudonym, purpose, granted, decided_at, method, notice, position FROM consents
WHERE workspace = $1 AND pseudonym = ANY($2::bytea[]) ORDER BY purpose, position, pseudonym
"""


@router.post("/consents")
async def consent(body: ConsentIn, opened: Opened, caller: Writer) -> DecisionOut:
    """Records a decision."""
    return await _decide(body, body.granted, opened, caller)


@router.post("/consents/grant")
async def grant(body: DecisionIn, opened: Opened, caller: Writer) -> DecisionOut:
    """Records that consent was given."""
    return await _decide(body, True, opened, caller)


@router.post("/consents/withdraw")
async def withdraw(body: DecisionIn, opened: Opened, caller: Writer) -> DecisionOut:
    """Records that consent was withdrawn: as easy as giving it (PIPL Art. 15)."""
    return await _decide(body, False, opened, caller)


async def _decide(body: DecisionIn, granted: bool, opened: PrivacyResources, caller: Caller) -> DecisionOut:
    purpose, now = check_purpose(body.purpose), opened.vault.ring.clock.now()
    at = now if body.decided_at is None else parse_time(body.decided_at, now)
    decided = [Decided(each, purpose, granted, at, body.method, body.notice) for each in normalised(body.identifiers)]
    recorded = await opened.recorder.record(caller.workspace, caller.subject, decided)
    position = await _position(opened, caller, recorded.position)
    return DecisionOut(purpose=purpose, granted=granted, position=position, outcomes=recorded.outcomes)


async def _position(opened: PrivacyResources, caller: Caller, position: int) -> str | None:
    return f"{await opened.recorder.partition(caller.workspace)}:{position}" if position else None


@router.post("/consents:lookup")
async def lookup(body: LookupIn, opened: Opened, caller: Reader) -> ConsentsOut:
    """What the person has decided, by any identifier, and what follows from it."""
    opened.decided.must_be_open()
    seeds = await known(opened.vault, caller.workspace, body.identifiers)
    found = await preview.find(opened.recorder.pool, caller.workspace, {seed.id.hex(): seed.kind for seed in seeds})
    pseudonyms = [bytes.fromhex(each) for each in found.kinds]
    (standing,) = await standings(opened.recorder.pool, caller.workspace, [pseudonyms])
    rows = await opened.recorder.pool.fetch(_KNOWN, caller.workspace, pseudonyms)
    partition = await opened.recorder.partition(caller.workspace)
    purposes = {}
    for purpose in PURPOSES:
        decision = may_process(purpose, standing.consents, restricted=standing.restricted)
        mine = [_known(row, found.kinds, partition) for row in rows if row["purpose"] == purpose]
        purposes[purpose] = PurposeOut(allowed=decision.allowed, reason=decision.reason, decisions=mine)
    return ConsentsOut(purposes=purposes, restricted=standing.restricted)


def _known(row: Any, kinds: dict[str, str], partition: int) -> Known:
    return Known(
        kind=kinds[row["pseudonym"].hex()],
        granted=row["granted"],
        decided_at=iso(row["decided_at"]),
        method=row["method"],
        notice=row["notice"],
        position=f"{partition}:{row['position']}",
    )


@router.post("/consents:import")
async def import_(request: Request, opened: Opened, caller: Writer) -> ImportOut:
    """Existing consents as text/csv: `kind,value,purpose,decision,decided_at,method,notice`; UTF-8 or GB18030.

    Streamed; an import that was cut off may be sent again: what stands is not recorded twice.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "text/csv":
        raise BadRequest("send the file as it is, with `Content-Type: text/csv`")
    now = opened.vault.ring.clock.now()
    done = await import_consents(opened.recorder, caller.workspace, caller.subject, request.stream(), now)
    return ImportOut(
        rows=done.rows,
        recorded=done.outcomes[RECORDED],
        unchanged=done.outcomes[UNCHANGED],
        failed=done.failed,
        errors=[ImportError_(row=each.row, reason=each.reason) for each in sorted(done.errors)],
        position=await _position(opened, caller, done.position),
    )


@router.post("/requests", status_code=201)
async def create(body: RequestIn, opened: Opened, caller: Writer) -> RequestOut:
    """A deletion request in state `preview`, which shows what it would take. Nothing happens before it is confirmed."""
    seeds = await known(opened.vault, caller.workspace, body.identifiers)
    requests = Requests(opened.recorder)
    request = await requests.create(caller.workspace, caller.subject, seeds, body.suppress)
    return RequestOut(**await requests.get(caller.workspace, request))


@router.get("/requests/{request}")
async def get(request: str, opened: Opened, caller: Reader) -> RequestOut:
    """How far it is."""
    return RequestOut(**await Requests(opened.recorder).get(caller.workspace, request))


@router.post("/requests/{request}/confirm")
async def confirm(request: str, body: ConfirmIn, opened: Opened, caller: Writer) -> RequestOut:
    """Restricts the person at once, and erases after the delay."""
    delay = opened.settings.privacy_erasure_delay_seconds if body.delay_seconds is None else body.delay_seconds
    requests = Requests(opened.recorder)
    await requests.confirm(caller.workspace, request, delay)
    return RequestOut(**await requests.get(caller.workspace, request))


@router.post("/requests/{request}/cancel")
async def cancel(request: str, opened: Opened, caller: Writer) -> RequestOut:
    """Lifts the restriction; only before the erasure."""
    requests = Requests(opened.recorder)
    await requests.cancel(caller.workspace, request)
    return RequestOut(**await requests.get(caller.workspace, request))


@router.get("/requests/{request}/receipt")
async def receipt(request: str, opened: Opened, caller: Reader) -> dict[str, Any]:
    """The signed receipt of a completed request; `wanliu privacy verify FILE` checks it without us."""
    return opened.receipts.sign(await Requests(opened.recorder).statement(caller.workspace, request))


@router.get("/receipts/key")
async def receipts_key(opened: Opened) -> Response:
    """The public key, in PEM; no token needed."""
    return Response(opened.receipts.public, media_type="application/x-pem-file")
