"""Identity's answers. Bindings and pseudonyms are random stand-ins, as hex; identifiers never appear here."""

from pydantic import BaseModel


class BindingAnswer(BaseModel):
    """A set of identifiers that events carried, and where in the log it first came."""

    binding: str
    pseudonyms: list[str]
    first_position: int


class MergeAnswer(BaseModel):
    """A customer that ended in this one, and the binding that proved them the same person."""

    customer_id: str
    binding: str
    position: int


class CustomerAnswer(BaseModel):
    """A customer as stitched now. `bindings` holds the oldest thousand of `binding_count`."""

    customer_id: str
    pseudonyms: dict[str, int]
    binding_count: int
    bindings: list[BindingAnswer]
    merged_from: list[MergeAnswer]


class HeldAnswer(BaseModel):
    """An identifier that was left out of a link."""

    kind: str
    pseudonym: str


class RefusalAnswer(BaseModel):
    """A binding that would have joined customers against a rule; the first is the one that it belongs to."""

    position: int
    binding: str
    rule: str
    held: list[HeldAnswer]
    customers: list[str]


class RefusalsAnswer(BaseModel):
    """Refusals in the order of the log; ask again with `after=next` until it is null."""

    refusals: list[RefusalAnswer]
    next: int | None


class SourceAccount(BaseModel):
    """What identity decided about a source's events."""

    source: str
    fresh: int
    duplicate: int
    suppressed: int


class AccountingAnswer(BaseModel):
    """Per source, up to the position of each partition's log."""

    positions: dict[int, int]
    sources: list[SourceAccount]
