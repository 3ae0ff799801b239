"""A partition in memory for tests, spoken to in short names: `u1` is a user id, `a` an anonymous id, ..."""

import hashlib
from collections.abc import Iterable, Sequence
from itertools import count

from libs.common.clock import SECOND
from libs.common.contracts.events import Batch, Binding, Erasure, Event, EventsEntry, Pseudonym
from libs.common.contracts.stitched import Facts
from libs.common.crypto import binding_id
from services.identity.state import Slice
from services.identity.stitching import decide, evolve

KIND_OF = {
    "u": "user_id",
    "m": "member_card",
    "x": "wechat_unionid",
    "p": "phone",
    "e": "email",
    "w": "wechat_openid",
    "y": "douyin_openid",
    "d": "device_id",
    "a": "anonymous_id",
    "q": "a kind of a later build",
}
LOG_ID = "log"
START = 1_700_000_000 * SECOND


def name_id(name: str) -> bytes:
    """16 bytes, the same for the same name."""
    return hashlib.md5(name.encode(), usedforsecurity=False).digest()


def pseudonym(name: str) -> Pseudonym:
    """The pseudonym of a short name; the first letter says its kind."""
    return Pseudonym(KIND_OF[name[0]], name_id(name))


def binding(names: str, workspace: str = "w") -> Binding:
    """The binding of short names parted by blanks."""
    pseudonyms = [pseudonym(name) for name in names.split()]
    return Binding(binding_id(workspace, [each.id for each in pseudonyms]), pseudonyms)


def batch(events: Sequence[tuple[str, str]], at: int, source: str = "web", workspace: str = "w") -> Batch:
    """An entry of events, each an event id and the names that it carries."""
    bindings = [binding(names, workspace) for _, names in events]
    return Batch(
        workspace,
        at,
        "intl-v1",
        [source],
        bindings,
        [Event(name_id(each), 0, number, at, at, b"body") for number, (each, _) in enumerate(events)],
        [],
        [],
    )


def fold(state: Slice, position: int, entry: EventsEntry) -> Facts:
    """Decides about an entry and evolves."""
    facts = decide(state, position, entry)
    evolve(state, position, entry, facts)
    return facts


class Partition:
    """Entries come in, one position after the other; everything stays in memory."""

    def __init__(self) -> None:
        self.state = Slice(LOG_ID)
        self.history: list[tuple[int, EventsEntry, Facts]] = []
        self._numbers = count()

    def take(self, entry: EventsEntry) -> Facts:
        """The facts of an entry."""
        position = len(self.history) + 1
        facts = fold(self.state, position, entry)
        self.history.append((position, entry, facts))
        return facts

    def send(self, *names: str, ids: Sequence[str] = (), at: int | None = None, source: str = "web") -> Facts:
        """One entry with an event per argument, such as `send("u1 a", "a")`; fresh event ids unless given."""
        given = ids or [f"event {next(self._numbers)}" for _ in names]
        time = START + len(self.history) * SECOND if at is None else at
        return self.take(batch(list(zip(given, names, strict=True)), time, source))

    def erase(self, *names: str, request: str = "r1") -> Facts:
        """An erasure of the people behind the names."""
        at = START + len(self.history) * SECOND
        return self.take(Erasure("w", at, request, [pseudonym(name) for name in names]))

    def customer(self, name: str) -> bytes | None:
        """The customer of a pseudonym."""
        owned = self.state.pseudonyms.get(name_id(name))
        return owned.customer if owned else None

    def customer_of_binding(self, names: str) -> bytes | None:
        """The customer of a binding."""
        return self.state.bindings.get(binding(names).id)

    def are_one(self, *names: str) -> bool:
        """Whether all the names are known and belong to one customer."""
        found = {self.customer(name) for name in names}
        return len(found) == 1 and None not in found


def names_of(ids: Iterable[bytes], names: str) -> set[str]:
    """Which of the short names the ids stand for."""
    by_id = {name_id(name): name for name in names.split()}
    return {by_id[each] for each in ids}
