"""From an id or an identifier to a customer's bindings. What is erased is not there."""

from collections.abc import Sequence
from dataclasses import dataclass

from libs.common.contracts.vault import Identifier
from libs.common.errors import BadRequest, Conflict, NotFound
from libs.common.identifiers import KINDS, normalise
from libs.common.ids import customer_bytes, customer_text
from services.profile import queries
from services.profile.asking import Ask
from services.profile.queries import Found, Horizon, Part


@dataclass(frozen=True)
class Customer:
    """A customer's sealed parts at one moment; `merged` when another id was asked for, which ended in this one."""

    id: bytes
    parts: Sequence[Part]
    horizon: Horizon
    merged: bool = False

    @property
    def text(self) -> str:
        """Its public id."""
        return customer_text(self.id)


async def by_id(ask: Ask, customer_id: str) -> Customer:
    """The customer, or the one that it was merged into. Raises NotFound, BadRequest."""
    asked = parse_customer(customer_id)
    found = (await by_ids(ask, [asked])).get(asked)
    if found is None:
        raise NotFound(f"there is no customer {customer_id}: the id was never given, or the person was erased")
    return found


async def by_ids(ask: Ask, customers: Sequence[bytes]) -> dict[bytes, Customer]:
    """Customers by the id asked for; those that do not exist are missing."""
    found = await _named(ask, customers)
    missing = [customer for customer in customers if customer not in found.customers]
    ended = await queries.winners(ask.opened.pool, missing) if missing else {}
    now = await _named(ask, sorted(set(ended.values()))) if ended else found
    answer = {key: Customer(key, parts, found.horizon) for key, parts in found.customers.items()}
    for asked, winner in ended.items():
        if winner in now.customers:
            answer[asked] = Customer(winner, now.customers[winner], now.horizon, merged=True)
    return answer


async def _named(ask: Ask, customers: Sequence[bytes]) -> Found:
    return await queries.by_customers(ask.opened.pool, ask.caller.workspace, ask.partition, customers)


async def by_identifier(ask: Ask, kind: str, value: str) -> Customer:
    """The customer who owns the identifier. No message repeats the value.

    Raises NotFound; BadRequest when it is no identifier; Conflict when it is of several customers.
    """
    (pseudonym,) = await ask.opened.vault.find([parse_identifier(kind, value)])
    if pseudonym is None:
        raise NotFound(f"no customer has this {kind}")
    found = await queries.by_pseudonym(ask.opened.pool, ask.caller.workspace, ask.partition, pseudonym)
    if not found.customers:
        raise NotFound(f"no customer has this {kind}")
    if len(found.customers) > 1:
        names = ", ".join(sorted(map(customer_text, found.customers)))
        raise Conflict(f"this {kind} is of {len(found.customers)} customers: {names}")
    ((customer, parts),) = found.customers.items()
    return Customer(customer, parts, found.horizon)


def parse_customer(customer_id: str) -> bytes:
    """The bytes of a public id. Raises BadRequest."""
    try:
        return customer_bytes(customer_id)
    except ValueError as error:
        raise BadRequest(str(error)) from None


def parse_identifier(kind: str, value: str) -> Identifier:
    """The identifier in its normal form, as ingest writes it. Raises BadRequest; never repeats the value."""
    if kind not in KINDS:
        raise BadRequest(f"this is no kind of identifier; kinds are {', '.join(KINDS)}")
    normal = normalise(kind, value)
    if normal is None:
        raise BadRequest(f"the value given as {kind} is none: empty, malformed, or a word for nobody")
    return Identifier(kind, normal)
