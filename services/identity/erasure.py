"""Erasure: what must be forgotten with a person, decided once, at the position of the request."""

from libs.common.contracts.events import Erasure
from libs.common.contracts.stitched import Erased
from services.identity.state import Slice


def closure(state: Slice, erasure: Erasure) -> Erased:
    """All that belongs to the customers of the seeds, as they are merged now, erased at the time of the request.

    The seeds themselves are always among the pseudonyms, so that the vault forgets an identifier of which no
    event ever came. So are pseudonyms that a binding of the person carries and nobody owns (held out when the
    binding was linked): after this, no other trace would lead to them. What belongs to another customer stays.
    """
    seeds = {seed.id for seed in erasure.seeds}
    owners = {state.pseudonyms[seed].customer for seed in seeds if seed in state.pseudonyms}
    customers, bindings, pseudonyms = set(owners), set[bytes](), seeds
    for owner in owners:
        members = state.members[owner]
        customers.update(members.former)
        bindings.update(members.bindings)
        pseudonyms.update(members.pseudonyms)
    for binding in bindings:
        carried = state.evidence[binding].pseudonyms
        pseudonyms.update(each for each in carried if each not in state.pseudonyms and each not in state.erased)
    return Erased(erasure.request, erasure.appended_at, sorted(customers), sorted(bindings), sorted(pseudonyms))


def forget(state: Slice, erased: Erased) -> dict[str, int]:
    """Drops everything erased and remembers only the ids, to know what comes late; how much it was."""
    counts = {
        "customers": sum(each in state.customers for each in erased.customers),
        "bindings": sum(each in state.bindings for each in erased.bindings),
        "pseudonyms": sum(each in state.pseudonyms for each in erased.pseudonyms),
    }
    for binding in erased.bindings:
        state.bindings.drop(binding)
        state.evidence.pop(binding, None)
    for pseudonym in erased.pseudonyms:
        state.pseudonyms.drop(pseudonym)
    for forgotten in (*erased.bindings, *erased.pseudonyms):
        if forgotten not in state.erased:
            state.erased.put(forgotten, erased.request)
    for customer in erased.customers:
        state.customers.drop(customer)
        state.former.drop(customer)
        state.counts.pop(customer, None)
        state.members.pop(customer, None)
    return counts
