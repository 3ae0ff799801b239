"""What the API of decisions and requests takes and answers."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.privacy.schemas import IdentifierIn

_STORABLE = r"^[^\x00]*$"


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")

    identifiers: list[IdentifierIn] = Field(min_length=1, max_length=100)


class DecisionIn(_In):
    """Somebody decided; every identifier given gets the decision."""

    purpose: str = Field(examples=["marketing"])
    method: str = Field(
        "api", max_length=100, pattern=_STORABLE, description="how it was given, such as web_form, paper, import"
    )
    notice: str = Field("", max_length=200, pattern=_STORABLE, description="the version of the notice that was shown")
    decided_at: str | None = Field(None, max_length=40, description="now, unless it was decided before")


class ConsentIn(DecisionIn):
    """`granted`: false withdraws."""

    granted: bool


class DecisionOut(BaseModel):
    """In force when answered. `position` = `partition:position` of EVENTS, for `at_least`; null: nothing was news.

    `outcomes`, per identifier: `recorded`, `unchanged`, `superseded` (a later decision stands) or `suppressed`.
    """

    purpose: str
    granted: bool
    position: str | None
    outcomes: list[str]


class LookupIn(_In):
    """Whose decisions; any identifier of the person will do."""


class Known(BaseModel):
    """The latest decision of one of the person's identifiers."""

    kind: str
    granted: bool
    decided_at: str
    method: str
    notice: str
    position: str


class PurposeOut(BaseModel):
    """Whether the purpose may use anything of the person, and why (not)."""

    allowed: bool
    reason: str
    decisions: list[Known]


class ConsentsOut(BaseModel):
    """By purpose. One withdrawal among a person's identifiers denies."""

    purposes: dict[str, PurposeOut]
    restricted: bool


class ImportError_(BaseModel):
    """A row that was not taken; the header is row 1."""

    row: int
    reason: str


class ImportOut(BaseModel):
    """All good rows are in force. `errors` names the first thousand of `failed`."""

    rows: int
    recorded: int
    unchanged: int
    failed: int
    errors: list[ImportError_]
    position: str | None


class RequestIn(_In):
    """`suppress`: never process these identifiers again, also when the person comes back."""

    type: Literal["deletion"]
    suppress: bool = False


class ConfirmIn(BaseModel):
    """When to erase; at once with 0, after the policy's time without."""

    model_config = ConfigDict(extra="forbid")

    delay_seconds: int | None = Field(None, ge=0, le=366 * 86_400)


class RequestOut(BaseModel):
    """How far a request is. `services`: what each has deleted; `waiting_for`: who has not confirmed yet."""

    request: str
    type: str
    state: Literal["preview", "pending", "erasing", "completed", "cancelled"]
    suppress: bool
    created_at: str
    confirmed_at: str | None
    due_at: str | None
    cancelled_at: str | None
    erased_at: str | None
    completed_at: str | None
    position: int | None = Field(description="of the erasure in EVENTS")
    summary: dict[str, Any] | None = Field(description="what was held when it was confirmed, in counts")
    services: dict[str, dict[str, int]]
    waiting_for: list[str]
    preview: dict[str, Any] | None = Field(description="until it is erased: customers, evidence, weak links, rows")
