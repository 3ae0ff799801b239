"""Recording decisions: every identifier gets its pseudonym, and what is news becomes entries of EVENTS."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import asyncpg

from libs.common.contracts.events import EVENTS, ConsentDecision, Consents, EventsEntry, Pseudonym
from libs.common.contracts.vault import BindRequest, Identifier, WorkspaceRequest
from libs.common.errors import BadRequest, Unavailable
from libs.common.eventlog.base import EventLog, LogFull, LogUnavailable, events_stream
from libs.common.ids import new_id
from libs.common.purposes import PURPOSES, Basis
from services.privacy.rights.applied import wait_applied
from services.privacy.vault import Vault

MAX_DECISIONS = 2_000
MAX_SETS = 500
RECORDED, UNCHANGED, SUPERSEDED, SUPPRESSED = "recorded", "unchanged", "superseded", "suppressed"

_CURRENT = """
SELECT pseudonym, purpose, granted, decided_at, method, notice FROM consents
WHERE workspace = $1 AND pseudonym = ANY($2::bytea[])
"""


class Decided(NamedTuple):
    """Somebody, known by one identifier, decided about a purpose; `decided_at` in microseconds."""

    identifier: Identifier
    purpose: str
    granted: bool
    decided_at: int
    method: str
    notice: str


class Recorded(NamedTuple):
    """What became of each decision, in order, and the last position of EVENTS it took (0: none)."""

    outcomes: list[str]
    position: int


@dataclass(frozen=True)
class Recorder:
    """Writes decisions of one workspace; `seconds` is how long it waits until they are in force."""

    vault: Vault
    log: EventLog
    pool: asyncpg.Pool
    seconds: float

    async def partition(self, workspace: str) -> int:
        """Where the workspace lives."""
        return (await self.vault.workspace(WorkspaceRequest(workspace))).partition

    async def append(self, workspace: str, entry: EventsEntry, message_id: str) -> int:
        """The entry's position, durable. Raises Unavailable."""
        try:
            stream = events_stream(await self.partition(workspace))
            return await self.log.append(stream, EVENTS.encode(entry), message_id=message_id)
        except (LogUnavailable, LogFull) as error:
            raise Unavailable("the log did not take the entry; send it again") from error

    async def in_force(self, workspace: str, position: int) -> None:
        """Returns when everything up to the position is in force. Raises Unavailable."""
        if position:
            await wait_applied(self.pool, await self.partition(workspace), position, self.seconds)

    async def record(self, workspace: str, actor: str, decided: Sequence[Decided]) -> Recorded:
        """Records what is news, oldest decision first, and returns when it is in force. Raises Unavailable.

        A decision older than the one that stands does not undo it. One at or before the time at which the person
        was erased (or any, when suppression was asked for) is not stored.
        """
        pseudonyms, suppressed = await self._pseudonyms(workspace, decided)
        current = await self._current(workspace, list(pseudonyms.values()))
        outcomes, news = [RECORDED] * len(decided), list[tuple[int, Decided]]()
        for number, each in sorted(enumerate(decided), key=lambda pair: (pair[1].decided_at, pair[0])):
            key = (pseudonyms[each.identifier], each.purpose)
            outcomes[number] = _outcome(each, current.get(key), suppressed[each.identifier])
            if outcomes[number] == RECORDED:
                current[key] = (each.granted, each.decided_at, each.method, each.notice)
                news.append((number, each))
        position = await self._append_all(workspace, actor, [each for _, each in news], pseudonyms)
        await self.in_force(workspace, position)
        return Recorded(outcomes, position)

    async def _pseudonyms(
        self, workspace: str, decided: Sequence[Decided]
    ) -> tuple[dict[Identifier, bytes], dict[Identifier, int]]:
        wanted = list(dict.fromkeys(each.identifier for each in decided))
        pseudonyms, suppressed = dict[Identifier, bytes](), dict[Identifier, int]()
        for start in range(0, len(wanted), MAX_SETS):
            some = wanted[start : start + MAX_SETS]
            bound = (await self.vault.bind(BindRequest(workspace, [[each] for each in some]))).bound
            for identifier, each in zip(some, bound, strict=True):
                pseudonyms[identifier], suppressed[identifier] = each.pseudonyms[0], each.suppressed_until
        return pseudonyms, suppressed

    async def _current(
        self, workspace: str, pseudonyms: list[bytes]
    ) -> dict[tuple[bytes, str], tuple[bool, int, str, str]]:
        rows = await self.pool.fetch(_CURRENT, workspace, pseudonyms)
        return {(row[0], row[1]): (row[2], row[3], row[4], row[5]) for row in rows}

    async def _append_all(
        self, workspace: str, actor: str, news: Sequence[Decided], pseudonyms: dict[Identifier, bytes]
    ) -> int:
        position = 0
        for some in _alike(news):
            who = [Pseudonym(each.identifier.kind, pseudonyms[each.identifier]) for each in some]
            decisions = [ConsentDecision(p, d.purpose, d.granted) for p, d in zip(who, some, strict=True)]
            now, first = self.vault.ring.clock.now(), some[0]
            entry = Consents(workspace, now, actor, first.method, first.notice, first.decided_at, decisions)
            position = await self.append(workspace, entry, new_id())
        return position


def _outcome(each: Decided, current: tuple[bool, int, str, str] | None, suppressed_until: int) -> str:
    if each.decided_at <= suppressed_until:
        return SUPPRESSED
    if current is None:
        return RECORDED
    if current == (each.granted, each.decided_at, each.method, each.notice):
        return UNCHANGED
    return SUPERSEDED if each.decided_at < current[1] else RECORDED


def _alike(news: Sequence[Decided]) -> Iterator[list[Decided]]:
    """Runs that one entry can hold, in order."""
    for _, run in groupby(news, key=lambda each: (each.decided_at, each.method, each.notice)):
        some = list(run)
        for start in range(0, len(some), MAX_DECISIONS):
            yield some[start : start + MAX_DECISIONS]


def check_purpose(purpose: str) -> str:
    """The purpose, where consent decides it. Raises BadRequest."""
    by_consent = [name for name, basis in PURPOSES.items() if basis is Basis.CONSENT]
    if purpose not in PURPOSES:
        raise BadRequest(f"there is no such purpose; consent decides about {', '.join(by_consent)}")
    if purpose not in by_consent:
        raise BadRequest(f"{purpose} does not stand on consent; consent decides about {', '.join(by_consent)}")
    return purpose
