"""One STITCHED entry into the state: who may have changed, and why. Decides nothing. Pure but for the state."""

from bisect import bisect_right

from libs.common.contracts.events import Batch, Consents, EventsEntry, Restriction, SegmentDefined, SegmentDeleted
from libs.common.contracts.segments import Cleared
from libs.common.contracts.stitched import FRESH, Erased, Facts, Moved, Stitched, StitchedEntry, origins
from libs.common.crypto import CannotOpen
from libs.common.fragment import add_event, effective_time
from services.segments.reading import read_definition
from services.segments.state import Decided, Known, Notice, Segment, SegmentsFault, State

PER_ENTRY = 2_000
"""Customers that one entry looks at because time passed, and again for back-filling; the rest waits for the next."""

CAUSES = ("erased", "merged", "restriction", "consent", "event", "time", "defined")
"""Why a customer is looked at, the strongest first."""
_RANK = {cause: rank for rank, cause in enumerate(CAUSES)}


def absorb(state: State, position: int, entry: StitchedEntry) -> None:
    """Folds the entry at STITCHED `position` and says in `causes` whom it concerns; a second time does nothing."""
    if position <= state.absorbed:
        return
    state.absorbed, state.clock = position, max(state.clock, entry.clock)
    state.causes, state.cleared, state.judged = {}, [], {}
    if isinstance(entry, Stitched):
        for events_position, origin, facts in origins(entry):
            _absorb_origin(state, position, events_position, origin, facts)
            state.events_position = events_position
    _wake(state)
    for workspace in sorted(state.sweeps):
        _sweep(state, workspace)


def _concern(state: State, customer: bytes, cause: str) -> None:
    known = state.causes.get(customer)
    if known is None or _RANK[cause] < _RANK[known]:
        state.causes[customer] = cause


def _absorb_origin(state: State, position: int, events_position: int, origin: EventsEntry, facts: Facts) -> None:
    if isinstance(origin, Batch):
        _link(state, origin, facts)
    if not facts.moved:  # of a merge, too many to name: see Moved
        for merged in facts.merged:
            for binding in sorted(state.of_customer[merged.loser]):
                _move(state, Moved(binding, merged.loser, merged.winner))
    for moved in facts.moved:
        _move(state, moved)
    state.merged += facts.merged
    if isinstance(origin, Batch):
        _grow(state, events_position, origin, facts.outcomes)
    elif isinstance(origin, Consents):
        _consent(state, origin)
    elif isinstance(origin, Restriction):
        _restrict(state, origin)
    elif isinstance(origin, SegmentDefined):
        _define(state, position, origin)
    elif isinstance(origin, SegmentDeleted):
        _delete(state, origin)
    for erased in facts.erased:
        _forget(state, origin.workspace, erased)


def _link(state: State, batch: Batch, facts: Facts) -> None:
    carried = {binding.id: binding for binding in batch.bindings}
    held = {(refused.binding, each.id) for refused in facts.refused for each in refused.held}
    for linked in facts.linked:
        own = {each.id for each in carried[linked.binding].pseudonyms if (linked.binding, each.id) not in held}
        known = Known(batch.workspace, batch.suite, linked.customer, tuple(sorted(own)))
        known.key = state.keys.get(linked.binding)
        state.bindings.put(linked.binding, known)
        state.learn(linked.binding, known)
        _concern(state, linked.customer, "event")


def _move(state: State, moved: Moved) -> None:
    known = state.bindings[moved.binding]
    state.of_customer[known.customer].discard(moved.binding)
    for customer in (known.customer, moved.customer):
        _concern(state, customer, "merged")
    known.customer = moved.customer
    state.bindings.put(moved.binding, known)
    state.of_customer[moved.customer].add(moved.binding)


def _grow(state: State, events_position: int, batch: Batch, outcomes: bytes) -> None:
    for number, event in enumerate(batch.events):
        binding = batch.bindings[event.binding].id
        if outcomes[number] != FRESH:
            continue
        known = state.bindings.get(binding)
        if known is None:
            raise SegmentsFault(f"EVENTS {events_position}/{number} is of a binding that identity never linked")
        _concern(state, known.customer, "event")
        if known.key is None:
            continue  # erased meanwhile: there is nothing to read, and soon nothing to belong to
        try:
            body = known.key.body(event.id, event.body)
        except (CannotOpen, ValueError) as error:
            raise SegmentsFault(
                f"EVENTS {events_position}/{number} cannot be read ({type(error).__name__}): the log was damaged"
            ) from None
        at = effective_time(event.occurred_at, event.received_at)
        add_event(known.open(), body, at, events_position, number)
        known.grown = True
        state.bindings.put(binding, known)


def _consent(state: State, entry: Consents) -> None:
    """As privacy folds them (services/privacy/rights/decisions.py): the later decision counts."""
    for decision in entry.decisions:
        pseudonym = decision.pseudonym.id
        latest = state.consents.get((pseudonym, decision.purpose))
        if latest is not None and entry.decided_at < latest.at:
            continue
        state.consents.put((pseudonym, decision.purpose), Decided(decision.granted, entry.decided_at))
        state.said[pseudonym].add(decision.purpose)
        _concern_owners(state, pseudonym, "consent")


def _restrict(state: State, entry: Restriction) -> None:
    for seed in entry.seeds:
        if entry.lifted:
            state.restrictions.drop((seed.id, entry.request))
            state.bound[seed.id].discard(entry.request)
        else:
            state.restrictions.put((seed.id, entry.request), True)
            state.bound[seed.id].add(entry.request)
        _concern_owners(state, seed.id, "restriction")


def _concern_owners(state: State, pseudonym: bytes, cause: str) -> None:
    for binding in state.of_pseudonym[pseudonym]:
        _concern(state, state.bindings[binding].customer, cause)


def _define(state: State, position: int, entry: SegmentDefined) -> None:
    old = state.segments.get(entry.segment)
    if old is not None and old.purpose != entry.purpose:
        state.cleared.append(Cleared(entry.segment, "purpose_changed"))
    rule = read_definition(entry.segment, entry.definition)
    row = (entry.workspace, entry.name, entry.purpose, entry.definition, rule, position, state.clock)
    state.segments.put(entry.segment, Segment(*row))
    state.sweeps.put(entry.workspace, b"")


def _delete(state: State, entry: SegmentDeleted) -> None:
    if entry.segment in state.segments:
        state.segments.drop(entry.segment)
        state.cleared.append(Cleared(entry.segment, "deleted"))


def _forget(state: State, workspace: str, erased: Erased) -> None:
    """Drops all that is the person's but the memberships, which end by facts."""
    counts = {"bindings": 0, "memberships": 0, "consents": 0}
    customers = set(erased.customers)
    for binding in erased.bindings:
        known = state.bindings.get(binding)
        if known is None:
            continue
        counts["bindings"] += 1
        customers.add(known.customer)
        state.of_customer[known.customer].discard(binding)
        for pseudonym in known.pseudonyms:
            state.of_pseudonym[pseudonym].discard(binding)
        state.bindings.drop(binding)
    for customer in sorted(customers):
        counts["memberships"] += len(state.inside[customer])
        _concern(state, customer, "erased")
    for pseudonym in erased.pseudonyms:
        for purpose in state.said.pop(pseudonym, set()):
            state.consents.drop((pseudonym, purpose))
            counts["consents"] += 1
        for request in state.bound.pop(pseudonym, set()):
            state.restrictions.drop((pseudonym, request))
    state.forgotten |= customers
    state.notices.append(Notice(erased.request, workspace, counts))


def _wake(state: State) -> None:
    """Whom the passing of time may have moved, the longest waiting first."""
    waiting = sorted((at, customer) for customer, at in state.due.items() if at <= state.clock)
    for _, customer in waiting[:PER_ENTRY]:
        _concern(state, customer, "time")


def _sweep(state: State, workspace: str) -> None:
    """The next customers whom new definitions have not been held against."""
    upcoming = state.upcoming.get(workspace, [])
    first = bisect_right(upcoming, state.sweeps[workspace])
    taken = upcoming[first : first + PER_ENTRY]
    for customer in taken:
        if state.of_customer[customer]:
            _concern(state, customer, "defined")
    if workspace in state.complete and first + len(taken) == len(upcoming):
        state.sweeps.drop(workspace)
    elif taken:
        state.sweeps.put(workspace, taken[-1])
