"""What the API takes and says. Times are RFC 3339 UTC."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class Define(BaseModel):
    """A definition; see GET /v1/segments/schema."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
    purpose: Annotated[str, Field(description="what membership is used for; to enter, it must be allowed")]
    definition: dict[str, Any]


class Written(BaseModel):
    """In the log at `position` (`partition:position` of EVENTS), which `at_least` waits for."""

    segment: str
    position: str


class SegmentAnswer(BaseModel):
    """A segment and how many are in it; `backfilling` while history is still held against a new definition."""

    segment: str
    name: str
    purpose: str
    definition: dict[str, Any]
    defined_at: str
    members: int
    backfilling: bool


class SegmentsAnswer(BaseModel):
    """All segments of the workspace, the oldest id first."""

    segments: list[SegmentAnswer]


class MemberAnswer(BaseModel):
    """A customer in the segment: since when, and what brought them in."""

    customer_id: str
    since: str
    reason: str


class MembersAnswer(BaseModel):
    """A page of members by customer id; `next` is the `after` of the following page."""

    segment: str
    purpose: str
    clock: str
    members: list[MemberAnswer]
    next: str | None


class MembershipAnswer(BaseModel):
    """A segment that the customer is in."""

    segment: str
    name: str
    since: str
    reason: str


class MembershipsAnswer(BaseModel):
    """The customer's segments of one purpose."""

    customer_id: str
    purpose: str
    clock: str
    segments: list[MembershipAnswer]
