"""What one entry has decided so far: the later bindings of an entry stand on what the earlier ones did."""

from collections.abc import Iterator

from libs.common.contracts.events import Binding
from libs.common.contracts.stitched import MAX_MOVED, Erased, Facts, Linked, Merged, Moved, Refused
from libs.common.ids import birth_id
from services.identity.linking import Link, link
from services.identity.state import Birth, Counts, Owned, Slice


class Draft:
    """Collects the decisions of one entry over a state that it does not change.

    The facts tell the difference between before and after the entry, no steps between: a binding is linked or
    moved at most once, to the customer it ends in, and a customer that was born and ended here is not told of.
    """

    def __init__(self, state: Slice, position: int, at: int) -> None:
        self._state, self._position, self._at = state, position, at
        self._births = 0
        self._owned: dict[bytes, Owned] = {}
        self._born: dict[bytes, Birth] = {}
        self._counts: dict[bytes, Counts] = {}
        self._links: dict[bytes, bytes] = {}
        self._ended: dict[bytes, tuple[bytes, bytes]] = {}
        self._refused: list[Refused] = []
        self._erased: dict[bytes, Erased] = {}

    def is_erased(self, binding: Binding) -> bool:
        """Whether the binding belongs to an erased person, and so must be forgotten.

        A new binding that carries an erased pseudonym does: its writer had not heard of the erasure yet.
        """
        if binding.id in self._state.bindings or binding.id in self._links:
            return False
        if binding.id in self._state.erased or binding.id in self._erased:
            return True
        requests = [self._state.erased[each.id] for each in binding.pseudonyms if each.id in self._state.erased]
        if requests:
            self._erased[binding.id] = Erased(min(requests), self._at, [], [binding.id], [])
        return bool(requests)

    def link(self, binding: Binding) -> None:
        """Links a binding that is new; the evidence of a known one has been weighed when it was new."""
        if binding.id in self._state.bindings or binding.id in self._links:
            return
        if not binding.pseudonyms:
            raise ValueError(f"binding {binding.id.hex()} carries no pseudonym: its events point at nobody")
        found = link(binding.pseudonyms, self._owner, self._count_of)
        target = min(found.joined, key=self._age) if found.joined else self._next_customer()
        for pseudonym in sorted(found.new, key=lambda each: each.id):
            self._owned[pseudonym.id] = Owned(pseudonym.kind, target, Birth(self._position, self._births))
            self._births += 1
        for loser in found.joined:
            if loser != target:
                self._ended[loser] = (target, binding.id)
        self._counts[target] = found.counts
        self._links[binding.id] = target
        self._refuse(binding, found)

    def facts(self, outcomes: bytes) -> Facts:
        """Everything decided, as differences to the state before the entry."""
        return Facts(
            outcomes=outcomes,
            linked=[Linked(binding, self._now(customer)) for binding, customer in self._links.items()],
            merged=list(self._merged()),
            moved=list(self._moved()),
            refused=[
                Refused(each.binding, each.rule, each.held, self._all_now(each.customers)) for each in self._refused
            ],
            erased=list(self._erased.values()),
        )

    def _merged(self) -> Iterator[Merged]:
        for loser, (_, binding) in self._ended.items():
            if loser in self._state.customers:
                yield Merged(self._now(loser), loser, binding)

    def _moved(self) -> Iterator[Moved]:
        losers = [loser for loser in self._ended if loser in self._state.customers]
        if sum(len(self._state.members[loser].bindings) for loser in losers) > MAX_MOVED:
            return
        for loser in losers:
            for binding in sorted(self._state.members[loser].bindings):
                yield Moved(binding, loser, self._now(loser))

    def _refuse(self, binding: Binding, found: Link) -> None:
        for rule, held in found.held.items():
            owners = [owner.customer for each in held if (owner := self._owner(each.id))]
            self._refused.append(Refused(binding.id, rule, held, [self._links[binding.id], *owners]))

    def _next_customer(self) -> bytes:
        """A customer named after the next pseudonym to be born."""
        born = Birth(self._position, self._births)
        customer = birth_id(self._state.log_id, *born)
        self._born[customer] = born
        return customer

    def _owner(self, pseudonym: bytes) -> Owned | None:
        owned = self._owned.get(pseudonym) or self._state.pseudonyms.get(pseudonym)
        return owned and owned._replace(customer=self._now(owned.customer))

    def _now(self, customer: bytes) -> bytes:
        """The customer that a customer has become in this entry."""
        while customer in self._ended:
            customer, _ = self._ended[customer]
        return customer

    def _all_now(self, customers: list[bytes]) -> list[bytes]:
        return list(dict.fromkeys(map(self._now, customers)))

    def _age(self, customer: bytes) -> Birth:
        return self._born.get(customer) or self._state.customers[customer].born

    def _count_of(self, customer: bytes) -> Counts:
        found = self._counts.get(customer)
        return self._state.counts[customer] if found is None else found
