"""Who enters, who leaves and why; and the folding of exactly that. Pure but for the state."""

from collections import defaultdict

from libs.common.contracts.segments import Crossed, SegmentFacts
from libs.common.contracts.stitched import StitchedEntry
from libs.common.purposes import may_process
from services.segments.evaluation import earliest
from services.segments.folding import absorb
from services.segments.state import Judgement, Member, State

_NOWHERE = Judgement(frozenset(), {}, None)


def decide(state: State, position: int, entry: StitchedEntry) -> SegmentFacts:
    """The differences between the memberships before and after the entry. Takes in the entry, moves nobody."""
    absorb(state, position, entry)
    exited, entered = defaultdict[tuple[str, str], list[bytes]](list), defaultdict[tuple[str, str], list[bytes]](list)
    cleared = {each.segment for each in state.cleared}
    for customer in sorted(state.causes):
        found, cause = _judge(state, customer), state.causes[customer]
        inside = state.inside[customer] - cleared
        for segment in sorted(inside - found.belongs):
            exited[segment, _why_out(state, customer, found.refused.get(segment, cause))].append(customer)
        for segment in sorted(found.belongs - inside):
            entered[segment, cause].append(customer)
    return SegmentFacts(
        state.clock,
        list(state.cleared),
        [Crossed(*key, customers) for key, customers in sorted(exited.items())],
        [Crossed(*key, customers) for key, customers in sorted(entered.items())],
    )


def evolve(state: State, position: int, entry: StitchedEntry, facts: SegmentFacts) -> None:
    """Folds what was decided about the entry, and sets when to look again at those it concerns."""
    absorb(state, position, entry)
    for cleared in facts.cleared:
        state.ended.add(cleared.segment)
        for customer, segment in [key for key in state.members if key[1] == cleared.segment]:
            state.leave(customer, segment)
    for crossed in facts.exited:
        for customer in crossed.customers:
            state.leave(customer, crossed.segment)
    for crossed in facts.entered:
        for customer in crossed.customers:
            state.enter(customer, crossed.segment, Member(facts.at, position, crossed.reason))
    for customer in state.causes:
        look_at = _judge(state, customer).look_at
        if look_at is not None:
            state.due.put(customer, look_at)
        elif customer in state.due:
            state.due.drop(customer)


def _judge(state: State, customer: bytes) -> Judgement:
    """Where the customer belongs after the entry absorbed last; computed once."""
    found = state.judged.get(customer)
    if found is None:
        found = state.judged[customer] = _judgement(state, customer)
    return found


def _judgement(state: State, customer: bytes) -> Judgement:
    parts = state.parts(customer)
    if not parts or any(part.key is None for part in parts):
        return _NOWHERE
    wanted = {key: each for key, each in state.segments.items() if each.workspace == parts[0].workspace}
    if not wanted:
        return _NOWHERE
    fragment, decided = state.fragment(customer), state.decided(customer)
    restricted = state.is_restricted(customer)
    purposes = {each.purpose for each in wanted.values()}
    leave = {purpose: may_process(purpose, decided, restricted=restricted) for purpose in purposes}
    belongs, refused, looks = set[str](), dict[str, str](), list[int | None]()
    for segment, each in wanted.items():
        allowed = leave[each.purpose]
        if not allowed.allowed:
            refused[segment] = allowed.reason
            continue
        verdict = each.rule(fragment, state.clock)
        looks.append(verdict.changes_at)
        if verdict.holds:
            belongs.add(segment)
    return Judgement(frozenset(belongs), refused, earliest(looks))


def _why_out(state: State, customer: bytes, reason: str) -> str:
    parts = state.parts(customer)
    return "erased" if parts and any(part.key is None for part in parts) else reason
