"""Sources: who may push, and with which key."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from libs.common.auth import Caller, require
from libs.common.clock import iso
from libs.common.errors import Forbidden
from services.ingest import sources
from services.ingest.resources import Ingest, resources
from services.ingest.schemas import CreatedSource, NewSource, Sources, SourceView

router = APIRouter(prefix="/v1/sources", tags=["sources"])


def admin(request: Request, caller: Annotated[Caller, Depends(require("ingest:admin"))]) -> Ingest:
    """The opened resources, for an operator of this process's workspace."""
    ingest = resources(request)
    if caller.workspace != ingest.settings.workspace:
        raise Forbidden("this token is for another workspace")
    return ingest


Admin = Annotated[Ingest, Depends(admin)]


@router.post("", status_code=201)
async def create(new: NewSource, ingest: Admin, response: Response) -> CreatedSource:
    """Creates a source. Its write key is in this answer and nowhere else."""
    created = await sources.create(ingest, new.name, new.channel)
    entry = created.entry
    response.status_code = 201 if created.ready else 202
    response.headers["Cache-Control"] = "no-store"
    return CreatedSource(
        source=entry.source,
        name=entry.name,
        channel=entry.channel,
        created_at=iso(entry.appended_at),
        write_key=created.write_key,
        ready=created.ready,
    )


@router.get("")
async def everything(ingest: Admin) -> Sources:
    """All sources, oldest first, the deleted ones too."""
    return Sources(
        sources=[
            SourceView(
                source=row["source"],
                name=row["name"],
                channel=row["channel"],
                created_at=iso(row["created_at"]),
                deleted_at=iso(row["deleted_at"]) if row["deleted_at"] else None,
            )
            for row in await sources.everything(ingest)
        ]
    )


@router.delete("/{source}", status_code=204)
async def delete(source: str, ingest: Admin) -> None:
    """Ends a source: its write key stops working within seconds, what it sent stays."""
    await sources.delete(ingest, source)
