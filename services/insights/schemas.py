"""What the API says. Money is in minor units (fen, cents) of an ISO 4217 currency; nobody is named, ever."""

from pydantic import BaseModel, Field


class Figures(BaseModel):
    """Of a group of events. `customers` are exact and distinct, as people are stitched now."""

    events: int = 0
    customers: int = 0
    orders: int = 0
    revenue: dict[str, int] = Field({}, description="orders less refunds, by currency")


class ChannelCell(BaseModel):
    """One channel, on one day if asked by day. `figures` is null where too few customers stand behind them."""

    channel: str
    day: str | None = None
    figures: Figures | None


class Standing(BaseModel):
    """Everything in STITCHED up to this position is in the answer, nothing after it."""

    partition: int
    position: int


class Channels(BaseModel):
    """Channel performance. The figures of the days add up to `total`, customers excepted: they come back."""

    purpose: str
    timezone: str
    from_: str = Field(alias="from")
    to: str
    cells: list[ChannelCell]
    total: Figures
    position: Standing


class Credit(BaseModel):
    """Orders that one touch point is credited with. `channel` is `direct` where nothing led to the order."""

    channel: str
    medium: str
    source: str
    campaign: str
    customers: int | None
    orders: int | None
    revenue: dict[str, int] | None


class Attribution(BaseModel):
    """Revenue of the orders of a time span, credited. The credits add up to `total`, to the last fen."""

    model: str
    window_days: int
    purpose: str
    timezone: str
    from_: str = Field(alias="from")
    to: str
    credits: list[Credit]
    total: Figures
    position: Standing


class SourceAccount(BaseModel):
    """Events of a source that the history holds, and that it held, or would have held, until erased."""

    source: str
    stored: int
    erased: int


class Accounting(BaseModel):
    """Per source: insights' side of `wanliu reconcile`."""

    positions: dict[int, int]
    sources: list[SourceAccount]


class Digest(BaseModel):
    """The canonical hash of the state."""

    digest: str


class Rebuilt(BaseModel):
    """The digest of the state before, and of what the log gave in its place."""

    before: str
    after: str
