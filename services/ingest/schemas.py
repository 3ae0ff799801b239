"""The operators' API on the wire. Never stored in the log."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Channel = Literal[
    "web", "app", "mini_program", "social", "store", "call_center", "email", "sms", "ads", "partner", "system"
]
Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")
]


class NewSource(BaseModel):
    """A channel system that is to push events."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    channel: Channel = Field(description="What the source's events count as")


class SourceView(BaseModel):
    """A source, without its write key, which nobody knows any more."""

    source: str
    name: str
    channel: str
    created_at: str
    deleted_at: str | None = None


class CreatedSource(SourceView):
    """`write_key` is shown this once. `ready` is False when the worker was too slow to be waited for."""

    write_key: str
    ready: bool = True


class Sources(BaseModel):
    """All sources of a workspace, oldest first."""

    sources: list[SourceView]


class Reject(BaseModel):
    """A refused event; what it held stays sealed."""

    id: str
    source: str
    reason: str
    pointer: str
    detail: str
    received_at: str
    day: str = Field(description="The day whose key seals the body; it is destroyed after 30 days")


class Quarantine(BaseModel):
    """A page, newest first; `next` is the `before` of the following page."""

    rejects: list[Reject]
    next: str | None


class Count(BaseModel):
    """`received` = `accepted` + `rejected` + `duplicate` + `suppressed`."""

    source: str
    hour: str | None = None
    received: int
    accepted: int
    rejected: int
    duplicate: int
    suppressed: int


class Accounting(BaseModel):
    """Sums per source, and per source and hour when asked for; `position` is the log position they include."""

    position: int
    totals: list[Count]
    hours: list[Count]


class TailLine(BaseModel):
    """One line of a tail. Holds nothing personal: kinds of identifiers, never their values."""

    time: str
    outcome: Literal["accepted", "rejected"]
    type: str | None = None
    event: str | None = None
    identifiers: list[str] | None = None
    reason: str | None = None
    pointer: str | None = None
    detail: str | None = None
