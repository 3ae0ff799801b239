"""What privacy's API takes and answers."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from libs.common.identifiers import KINDS


class IdentifierIn(BaseModel):
    """An identifier as the caller knows it; it is normalised as on the way in."""

    model_config = ConfigDict(extra="forbid")

    kind: str = Field(description=f"One of {', '.join(KINDS)}.", examples=["phone"])
    value: str = Field(min_length=1, max_length=1024, examples=["13912345678"])


class ErasureIn(BaseModel):
    """Forget the person whom these identifiers belong to."""

    model_config = ConfigDict(extra="forbid")

    identifiers: list[IdentifierIn] = Field(min_length=1, max_length=100)


class ErasureAccepted(BaseModel):
    """The request is in the log, at this position of EVENTS, and will be carried out."""

    request: str
    position: int


class ErasureOut(BaseModel):
    """`erased`: the rows are gone and the keys overwritten. `erased_at` is the log's time of the decision."""

    request: str
    position: int
    status: Literal["pending", "erased"]
    bindings: int
    identifiers: int
    erased_at: str | None
