"""Opens a customer's parts and says what the purpose, the token and the moment asked for may see of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from libs.common import fragment
from libs.common.clock import iso
from libs.common.contracts.events import Pseudonym
from libs.common.contracts.vault import LIVE, UNKNOWN
from libs.common.errors import NotFound, TooLarge
from libs.common.fragment import Fragment
from libs.common.purposes import Decision
from libs.common.vault_client import VaultFault
from services.profile import answers, store, timeline
from services.profile.asking import REVEALABLE, Ask
from services.profile.locating import Customer
from services.profile.permitting import permit
from services.profile.queries import Horizon, Part
from services.profile.revealing import note, reveal_identifiers
from services.profile.schemas import Position, Profile, Timeline, Withheld
from services.profile.sealing import Sealed
from services.profile.timeline import END, Cursor, Line

PARTS = ("traits", "personal", "computed", "identifiers", "metrics", "channels", "events")
AS_OF_PAGE = 1000


@dataclass(frozen=True)
class Opened:
    """A customer with the keys of its bindings; those already forgotten by the vault are left out."""

    customer: Customer
    keys: Mapping[bytes, Sealed]

    @property
    def parts(self) -> list[Part]:
        """The parts that can still be opened."""
        return [part for part in self.customer.parts if part.binding in self.keys]


async def profile(ask: Ask, customer: Customer) -> Profile:
    """The answer to one question about one customer. Raises NotFound when all of it is just being erased."""
    return (await profiles(ask, [customer]))[0]


async def profiles(ask: Ask, customers: Sequence[Customer]) -> list[Profile]:
    """As `profile`, for several customers, in order."""
    decisions = await permit(ask, customers)
    return [await _decided(ask, *each) for each in zip(customers, decisions, strict=True)]


async def _decided(ask: Ask, customer: Customer, decision: Decision) -> Profile:
    if not decision.allowed:
        return _profile(ask, customer, withheld=_all_withheld(decision, PARTS))
    opened = await _open(ask, customer)
    summed = await _sum(ask, opened)
    pseudonyms = list(chain.from_iterable(store.unpack(part.pseudonyms) for part in opened.parts))
    shown = await _reveal(ask, customer, summed, pseudonyms)
    return _profile(
        ask,
        customer,
        traits=answers.values(summed.traits),
        computed=answers.values(summed.computed),
        metrics=answers.metrics(summed),
        channels=answers.channels(summed),
        events=answers.event_counts(summed),
        as_of=None if ask.as_of is None else iso(ask.as_of),
        **shown,
    )


async def events(ask: Ask, customer: Customer, before: Cursor, limit: int) -> Timeline:
    """A page of the customer's events, newest first; never after the moment asked for."""
    (decision,) = await permit(ask, [customer])
    if not decision.allowed:
        return _timeline(ask, customer, [], None, _all_withheld(decision, ["timeline"]))
    opened = await _open(ask, customer)
    lines = await _lines(ask, opened, min(before, _latest(ask)), limit + 1)
    page = lines[:limit]
    following = str(Cursor(*page[-1][:3])) if len(lines) > limit else None
    return _timeline(ask, customer, page, following, [])


async def _open(ask: Ask, customer: Customer) -> Opened:
    held = await ask.opened.vault.keys([part.binding for part in customer.parts])
    if any(key.state == UNKNOWN for key in held.values()):
        raise VaultFault(f"the vault has neither a key nor an erasure of a binding of {customer.text}")
    keys = {
        part.binding: Sealed(held[part.binding].sealer, part.suite, ask.caller.workspace, part.binding)
        for part in customer.parts
        if held[part.binding].state == LIVE
    }
    if not keys:
        raise NotFound(f"there is no customer {customer.text}: the person was erased")
    return Opened(customer, keys)


async def _sum(ask: Ask, opened: Opened) -> Fragment:
    if ask.as_of is not None:
        return await _sum_as_of(ask, opened)
    parts = [opened.keys[part.binding].fragment(part.fragment) for part in opened.parts if part.fragment is not None]
    return parts[0] if len(parts) == 1 else fragment.merge(*parts)


async def _sum_as_of(ask: Ask, opened: Opened) -> Fragment:
    """What the profile would be if only the events up to that moment had come."""
    summed, cursor, seen, most = fragment.empty(), _latest(ask), 0, ask.opened.settings.profile_as_of_events
    while lines := await _lines(ask, opened, cursor, AS_OF_PAGE):
        seen += len(lines)
        if seen > most:
            raise TooLarge(f"the customer has more than {most} events until then, too many for `at`; use the timeline")
        for line in lines:
            fragment.add_event(summed, line.body, line.at, line.position, line.idx)
        cursor = Cursor(*lines[-1][:3])
    return summed


async def _lines(ask: Ask, opened: Opened, cursor: Cursor, limit: int) -> list[Line]:
    return await timeline.before(ask.opened.pool, opened.keys, cursor, limit)


def _latest(ask: Ask) -> Cursor:
    return END if ask.as_of is None else Cursor(ask.as_of + 1, 0, 0)


async def _reveal(ask: Ask, customer: Customer, summed: Fragment, pseudonyms: list[Pseudonym]) -> dict[str, Any]:
    """Personal attributes and identifiers, the audit entry written first; and what of them is withheld."""
    personal = answers.values(summed.personal)
    names = {f"personal.{name}" for name in personal} | {f"identifiers.{each.kind}" for each in pseudonyms}
    shown = {name for name in names if ask.may_reveal() and ask.wants(name)}
    if shown:
        await note(ask, customer.id, sorted(shown))
    wanted = [each for each in pseudonyms if f"identifiers.{each.kind}" in shown]
    values = await reveal_identifiers(ask, wanted) if wanted else None
    reason = "not_asked" if ask.may_reveal() else "no_scope"
    hidden = {name.partition(".")[0] for name in names - shown}
    return {
        "personal": {name: value for name, value in personal.items() if f"personal.{name}" in shown},
        "identifiers": answers.identifier_kinds(pseudonyms, values),
        "withheld": [Withheld(what=what, reason=reason) for what in REVEALABLE if what in hidden],
    }


def _all_withheld(decision: Decision, parts: Sequence[str]) -> list[Withheld]:
    return [Withheld(what=part, reason=decision.reason) for part in parts]


def _profile(ask: Ask, customer: Customer, **parts: Any) -> Profile:
    return Profile(
        customer_id=customer.text,
        merged_into=customer.text if customer.merged else None,
        purpose=ask.purpose,
        positions=positions(ask.partition, customer.horizon),
        **parts,
    )


def _timeline(
    ask: Ask, customer: Customer, lines: list[Line], following: str | None, withheld: list[Withheld]
) -> Timeline:
    return Timeline(
        customer_id=customer.text,
        merged_into=customer.text if customer.merged else None,
        purpose=ask.purpose,
        events=[answers.event(line, ask.partition) for line in lines],
        next=following,
        withheld=withheld,
        positions=positions(ask.partition, customer.horizon),
    )


def positions(partition: int, horizon: Horizon) -> list[Position]:
    """As the API says it."""
    return [Position(partition=partition, position=horizon.position, clock=iso(horizon.clock))]
