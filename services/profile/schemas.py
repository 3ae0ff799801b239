"""What the API says. Times are RFC 3339 UTC; money is in minor units (fen, cents) of an ISO 4217 currency."""

from typing import Any

from pydantic import BaseModel, Field


class Withheld(BaseModel):
    """Something this caller does not see for this purpose."""

    what: str = Field(description="a part of the answer, such as `personal` or `metrics`")
    reason: str = Field(description="`no_consent`, `consent_withdrawn`, `restricted`, `no_scope` or `not_asked`")


class Position(BaseModel):
    """Everything in EVENTS up to this position is in the answer; `at_least=partition:position` waits for one."""

    partition: int
    position: int
    clock: str


class IdentifierKind(BaseModel):
    """Identifiers of one kind; `values` only for a token with scope `personal:reveal`."""

    kind: str
    count: int
    values: list[str] | None = None


class Metrics(BaseModel):
    """Sums over all channels. `revenue` is orders less refunds; `sessions` are of the last 400 days."""

    events: int = 0
    orders: int = 0
    revenue: dict[str, int] = {}
    sessions: int = 0
    active_days: int = 0
    first_seen: str | None = None
    last_seen: str | None = None


class TouchAnswer(BaseModel):
    """An event that came with a medium or a campaign."""

    at: str
    medium: str
    source: str
    campaign: str


class ChannelAnswer(BaseModel):
    """What one channel saw of the customer."""

    channel: str
    events: int
    orders: int
    revenue: dict[str, int]
    sessions: int
    first_seen: str
    last_seen: str
    first_touch: TouchAnswer | None
    last_touch: TouchAnswer | None


class Profile(BaseModel):
    """用户画像: the sum of everything known about a customer, as far as the purpose may see it."""

    customer_id: str
    merged_into: str | None = Field(None, description="set when the id asked for was merged: the customer it is now")
    purpose: str
    as_of: str | None = Field(None, description="set when `at` was asked for")
    traits: dict[str, Any] = {}
    personal: dict[str, Any] = {}
    computed: dict[str, Any] = {}
    identifiers: list[IdentifierKind] = []
    metrics: Metrics | None = None
    channels: list[ChannelAnswer] = []
    events: dict[str, int] = Field({}, description="how often, by event name")
    withheld: list[Withheld] = []
    positions: list[Position]


class Lookup(BaseModel):
    """An identifier. In a body, for identifiers do not belong in URLs."""

    kind: str = Field(max_length=64)
    value: str = Field(max_length=1024)


class BatchGet(BaseModel):
    """Up to 100 customers at once."""

    customer_ids: list[str] = Field(min_length=1, max_length=100)


class Profiles(BaseModel):
    """`missing` are the ids asked for that are unknown or erased."""

    profiles: list[Profile]
    missing: list[str]


class MoneyAnswer(BaseModel):
    """An amount in minor units."""

    minor: int
    currency: str


class TimelineEvent(BaseModel):
    """One event, without what is personal and without traits: those are in the profile."""

    at: str
    position: str
    event_id: str
    message_id: str
    source: str
    channel: str
    type: str
    event: str
    medium: str
    campaign: dict[str, str]
    properties: dict[str, Any]
    money: MoneyAnswer | None


class Timeline(BaseModel):
    """Events, newest first; ask again with `before=next` until it is null."""

    customer_id: str
    merged_into: str | None = None
    purpose: str
    events: list[TimelineEvent]
    next: str | None
    withheld: list[Withheld]
    positions: list[Position]


class SourceAccount(BaseModel):
    """Events of a source that profiles hold, and that were held until erased."""

    source: str
    stored: int
    erased: int


class Accounting(BaseModel):
    """Per source, up to the position of each partition's EVENTS: profile's side of `wanliu reconcile`."""

    positions: dict[int, int]
    sources: list[SourceAccount]


class RevealAnswer(BaseModel):
    """Who was shown what of a customer, and for which purpose; never a value."""

    position: int
    at: str
    caller: str
    customer_id: str
    purpose: str
    names: list[str]


class Reveals(BaseModel):
    """In the order of the log; ask again with `after=next` until it is null."""

    reveals: list[RevealAnswer]
    next: int | None
