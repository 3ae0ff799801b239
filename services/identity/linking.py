"""The rule of linking: which customers one binding joins, and what it may not join.

A binding's identifiers come together strongest first. One that would break a limit, together with those
before it, is held out: it stays where it was, and the binding goes on without it. So a person who signs in on
somebody else's phone gets a customer of their own, and the phone's history stays with its owner.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from libs.common.contracts.events import Pseudonym
from libs.common.identifiers import KINDS
from services.identity.state import Owned

LIMITS: Mapping[str, int] = {kind.name: kind.limit for kind in KINDS.values() if kind.limit is not None}
"""How many pseudonyms of a kind one customer may have."""

_WEAKEST = len(KINDS)


@dataclass(slots=True)
class Link:
    """What a binding brings together.

    `joined`: customers that become one; `new`: pseudonyms that nobody had, they go with the binding;
    `held`: by the rule they would have broken; `counts`: what the joined customer then has of limited kinds.
    """

    joined: list[bytes] = field(default_factory=list)
    new: list[Pseudonym] = field(default_factory=list)
    held: dict[str, list[Pseudonym]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)


def link(
    pseudonyms: Iterable[Pseudonym],
    owned: Callable[[bytes], Owned | None],
    counts: Callable[[bytes], Counter[str]],
) -> Link:
    """Links the pseudonyms of one binding; `owned` tells whose one is, `counts` what a customer has.

    The strongest is never held, whatever limits its customer already breaks, so a binding always ends
    somewhere. The order of `pseudonyms` does not matter.
    """
    found = Link()
    owners = {pseudonym: owned(pseudonym.id) for pseudonym in pseudonyms}
    for pseudonym in sorted(owners, key=lambda each: _strength(each, owners[each])):
        owner = owners[pseudonym]
        if owner and owner.customer in found.joined:
            continue
        adds = counts(owner.customer) if owner else Counter({pseudonym.kind: 1})
        rule = broken_rule(found.counts, adds) if found.joined or found.new else None
        if rule:
            found.held.setdefault(rule, []).append(pseudonym)
            continue
        found.counts += adds
        if owner:
            found.joined.append(owner.customer)
        else:
            found.new.append(pseudonym)
    return found


def broken_rule(counts: Counter[str], adds: Counter[str]) -> str | None:
    """The first limit that `adds` would break on top of `counts`, such as `user_id limit 1`."""
    for kind, limit in LIMITS.items():
        if adds[kind] and counts[kind] + adds[kind] > limit:
            return f"{kind} limit {limit}"
    return None


def _strength(pseudonym: Pseudonym, owner: Owned | None) -> tuple[int, bool, tuple[int, int], bytes]:
    """Sorts the strongest first: by kind; within a kind the one known longer; among new ones by id."""
    known = KINDS.get(pseudonym.kind)
    priority = known.priority if known else _WEAKEST
    return priority, owner is None, owner.born if owner else (0, 0), pseudonym.id
