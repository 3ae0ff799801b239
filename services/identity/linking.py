"""The rule of linking: which customers one binding joins, and what it may not join.

A binding's identifiers come together strongest first. One that would break a limit, together with those
before it, is held out: it stays where it was, and the binding goes on without it. So a person who signs in on
somebody else's phone gets a customer of their own, and the phone's history stays with its owner.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from libs.common.contracts.events import Pseudonym
from libs.common.identifiers import KINDS
from services.identity.state import Counts, Owned

LIMITS: Mapping[str, int] = {kind.name: kind.limit for kind in KINDS.values() if kind.limit is not None}
"""How many pseudonyms of a kind one customer may have."""

_ONE: Mapping[str, Counts] = {kind: {kind: 1} for kind in LIMITS}
_NONE: Counts = {}
_WEAKEST = len(KINDS)


@dataclass(slots=True)
class Link:
    """What a binding brings together.

    `joined`: customers that become one; `new`: pseudonyms that nobody had, they go with the binding;
    `held`: by the rule they would have broken; `counts`: those of the joined customer.
    """

    joined: list[bytes] = field(default_factory=list)
    new: list[Pseudonym] = field(default_factory=list)
    held: dict[str, list[Pseudonym]] = field(default_factory=dict)
    counts: Counts = field(default_factory=dict)


def link(
    pseudonyms: Iterable[Pseudonym], owned: Callable[[bytes], Owned | None], counts: Callable[[bytes], Counts]
) -> Link:
    """Links the pseudonyms of one binding; `owned` tells whose one is, `counts` what a customer has.

    The strongest is never held, whatever limits its customer already breaks, so a binding always ends
    somewhere. The order of `pseudonyms` does not matter.
    """
    found = Link()
    distinct = {each.id: each for each in pseudonyms}
    for _, pseudonym, owner in sorted(_ranked(each, owned(each.id)) for each in distinct.values()):
        if owner and owner.customer in found.joined:
            continue
        adds = counts(owner.customer) if owner else counts_of(pseudonym.kind)
        rule = broken_rule(found.counts, adds) if found.joined or found.new else None
        if rule:
            found.held.setdefault(rule, []).append(pseudonym)
            continue
        found.counts = plus(found.counts, adds)
        if owner:
            found.joined.append(owner.customer)
        else:
            found.new.append(pseudonym)
    return found


def counts_of(kind: str) -> Counts:
    """What one pseudonym of the kind counts for."""
    return _ONE.get(kind, _NONE)


def plus(counts: Counts, adds: Counts) -> Counts:
    """The sum."""
    if not counts or not adds:
        return counts or adds
    return {kind: counts.get(kind, 0) + adds.get(kind, 0) for kind in counts.keys() | adds.keys()}


def broken_rule(counts: Counts, adds: Counts) -> str | None:
    """The first limit that `adds` would break on top of `counts`, such as `user_id limit 1`."""
    for kind, limit in LIMITS.items():
        if kind in adds and counts.get(kind, 0) + adds[kind] > limit:
            return f"{kind} limit {limit}"
    return None


def _ranked(
    pseudonym: Pseudonym, owner: Owned | None
) -> tuple[tuple[int, bool, tuple[int, int], bytes], Pseudonym, Owned | None]:
    """Sorts the strongest first: by kind; within a kind the one known longer; among new ones by id."""
    known = KINDS.get(pseudonym.kind)
    priority = known.priority if known else _WEAKEST
    return (priority, owner is None, owner.born if owner else (0, 0), pseudonym.id), pseudonym, owner
