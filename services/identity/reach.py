"""How far new bindings and erasures can reach: which customers may end, and which may be erased, in one batch.

Customers can only merge when a chain of new bindings connects them, whatever the limits then forbid. Of each
connected group the oldest customer never ends, so what belongs to it, perhaps a shop's tablet with thousands
of visitors, need not be loaded.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from libs.common.contracts.events import Binding, Pseudonym
from services.identity.state import Customer, Owned


class Reach(NamedTuple):
    """Customers that may end in another one or be erased, and the part of them that may be erased."""

    ending: set[bytes]
    erasable: set[bytes]


def reach(
    new: Iterable[Binding],
    seeds: Iterable[Pseudonym],
    owned: Mapping[bytes, Owned],
    customers: Mapping[bytes, Customer],
) -> Reach:
    """What the batch's new bindings and its erasures' seeds reach; `owned` knows the owners of all of them."""
    groups = _Groups()
    for binding in new:
        for pseudonym in binding.pseudonyms:
            groups.join(binding.id, pseudonym.id)
    for pseudonym_id, owner in owned.items():
        groups.join(pseudonym_id, owner.customer)
    hit = {groups.root(seed.id) for seed in seeds}
    by_root: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for customer in customers:
        by_root[groups.root(customer)].append(customer)
    found = Reach(set(), set())
    for root, group in by_root.items():
        if root in hit:
            found.erasable.update(group)
        else:
            group.remove(min(group, key=lambda each: customers[each].born))
        found.ending.update(group)
    return found


class _Groups:
    """Union-find with path halving."""

    def __init__(self) -> None:
        self._parent: dict[bytes, bytes] = {}

    def root(self, item: bytes) -> bytes:
        parent = self._parent
        while (up := parent.setdefault(item, item)) != item:
            parent[item] = item = parent[up]
        return item

    def join(self, one: bytes, other: bytes) -> None:
        self._parent[self.root(one)] = self.root(other)
