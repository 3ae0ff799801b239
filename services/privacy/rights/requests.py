"""A deletion request, from its preview to its receipt.

preview -> (confirm) pending: restricted, and due at a time -> erasing: the Erasure is in the log -> completed, when
every service expected has confirmed. While it is pending it can be cancelled, which lifts the restriction. Every
step can be repeated after a crash: what goes into the log is appended again where it is not known to be there, and
whoever folds it takes the first.
"""

from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec

from libs.common.clock import SECOND, iso
from libs.common.confirming import EXPECTED
from libs.common.contracts.events import Erasure, Pseudonym, Restriction
from libs.common.errors import Conflict, NotFound
from libs.common.ids import new_id
from services.privacy.rights import preview
from services.privacy.rights.recording import Recorder

PREVIEW, PENDING, ERASING, COMPLETED, CANCELLED = "preview", "pending", "erasing", "completed", "cancelled"

_GET = "SELECT * FROM requests WHERE workspace = $1 AND request = $2"
_CREATE = """
INSERT INTO requests (workspace, request, partition, type, state, actor, seeds, suppress, created_at, summary, expected)
VALUES ($1, $2, $3, 'deletion', 'preview', $4, $5, $6, $7, '{}', '[]')
"""
_CONFIRM = """
UPDATE requests SET state = 'pending', confirmed_at = $3, due_at = $4, summary = $5, expected = $6
WHERE workspace = $1 AND request = $2 AND state = 'preview'
"""
_CANCEL = """
UPDATE requests SET state = 'cancelled', cancelled_at = $3
WHERE workspace = $1 AND request = $2 AND state IN ('preview', 'pending')
"""
_CLAIM = """
UPDATE requests SET state = 'erasing'
WHERE workspace = $1 AND request = $2 AND state = 'pending' AND due_at <= $3
"""
_APPENDED = "UPDATE requests SET erasure_position = $3 WHERE workspace = $1 AND request = $2"
_DUE = """
SELECT workspace, request FROM requests WHERE partition = $1
AND ((state = 'pending' AND due_at <= $2) OR (state = 'erasing' AND erasure_position IS NULL)) ORDER BY due_at
"""
_CONFIRMED = "SELECT service, at, counts FROM confirmed WHERE workspace = $1 AND request = $2 ORDER BY service"
_ERASED = "SELECT at FROM erasures WHERE workspace = $1 AND request = $2"


@dataclass(frozen=True)
class Requests:
    """Carries requests through their states."""

    recorder: Recorder

    @property
    def _pool(self) -> asyncpg.Pool:
        return self.recorder.pool

    def _now(self) -> int:
        return self.recorder.vault.ring.clock.now()

    async def create(self, workspace: str, actor: str, seeds: list[Pseudonym], suppress: bool) -> str:
        """A new request in state preview; nothing else has happened."""
        request, partition = new_id(), await self.recorder.partition(workspace)
        packed = msgspec.json.encode({seed.id.hex(): seed.kind for seed in seeds}, order="sorted").decode()
        await self._pool.execute(_CREATE, workspace, request, partition, actor, packed, suppress, self._now())
        return request

    async def confirm(self, workspace: str, request: str, delay_seconds: int) -> None:
        """Restricts at once, erases after the delay. Raises NotFound, Conflict, Unavailable."""
        row = await self._row(workspace, request)
        if row["state"] != PREVIEW:
            raise Conflict(f"the request is {row['state']}; only one in preview can be confirmed")
        entry = Restriction(workspace, self._now(), request, _seeds(row), False)
        position = await self.recorder.append(workspace, entry, f"{request}:restrict")
        await self.recorder.in_force(workspace, position)
        found = await preview.find(self._pool, workspace, _kinds(row))
        now, summary = self._now(), msgspec.json.encode(preview.summary(found)).decode()
        expected = msgspec.json.encode(list(EXPECTED)).decode()
        due = now + delay_seconds * SECOND
        await self._pool.execute(_CONFIRM, workspace, request, now, due, summary, expected)
        if not delay_seconds:
            await self.erase(workspace, request, now)

    async def cancel(self, workspace: str, request: str) -> None:
        """Lifts the restriction; the request stays, cancelled. Raises NotFound, Conflict, Unavailable."""
        await self._pool.execute(_CANCEL, workspace, request, self._now())
        row = await self._row(workspace, request)
        if row["state"] != CANCELLED:
            raise Conflict(f"the request is {row['state']}: the person is being forgotten and cannot be brought back")
        entry = Restriction(workspace, self._now(), request, _seeds(row), True)
        position = await self.recorder.append(workspace, entry, f"{request}:lift")
        await self.recorder.in_force(workspace, position)

    async def erase(self, workspace: str, request: str, now: int) -> None:
        """Appends the Erasure of a request that is due, unless it is in the log. Raises Unavailable."""
        await self._pool.execute(_CLAIM, workspace, request, now)
        row = await self._row(workspace, request)
        if row["state"] != ERASING or row["erasure_position"] is not None:
            return
        entry = Erasure(workspace, self._now(), request, _seeds(row), row["suppress"])
        position = await self.recorder.append(workspace, entry, request)
        await self._pool.execute(_APPENDED, workspace, request, position)

    async def erase_due(self, partition: int, now: int) -> None:
        """Every request that is due at the partition's time. Raises Unavailable."""
        for workspace, request in await self._pool.fetch(_DUE, partition, now):
            await self.erase(workspace, request, now)

    async def get(self, workspace: str, request: str) -> dict[str, Any]:
        """All that is known; with a preview until it is erased. Raises NotFound."""
        row = await self._row(workspace, request)
        confirmed = await self._pool.fetch(_CONFIRMED, workspace, request)
        state, counts = row["state"], {each["service"]: msgspec.json.decode(each["counts"]) for each in confirmed}
        expected = msgspec.json.decode(row["expected"])
        if state == ERASING and set(expected) <= set(counts):
            state = COMPLETED
        answer = {
            "request": request,
            "type": row["type"],
            "state": state,
            "suppress": row["suppress"],
            "created_at": iso(row["created_at"]),
            "confirmed_at": _moment(row["confirmed_at"]),
            "due_at": _moment(row["due_at"]),
            "cancelled_at": _moment(row["cancelled_at"]),
            "erased_at": _moment(await self._pool.fetchval(_ERASED, workspace, request)),
            "completed_at": _moment(max(each["at"] for each in confirmed)) if state == COMPLETED else None,
            "position": row["erasure_position"],
            "summary": msgspec.json.decode(row["summary"]) or None,
            "services": counts,
            "waiting_for": sorted(set(expected) - set(counts)) if state == ERASING else [],
            "preview": None,
        }
        if state in (PREVIEW, PENDING):
            answer["preview"] = preview.preview(await preview.find(self._pool, workspace, _kinds(row)))
        return answer

    async def statement(self, workspace: str, request: str) -> dict[str, Any]:
        """What a receipt states. No identifier, no hash of one, no customer. Raises NotFound, Conflict."""
        known = await self.get(workspace, request)
        if known["state"] != COMPLETED:
            raise Conflict(f"the request is {known['state']}: a receipt says that every service has erased")
        told = ("request", "type", "suppress", "created_at", "confirmed_at", "erased_at", "completed_at", "position")
        return {
            "version": 1,
            "workspace": workspace,
            **{name: known[name] for name in told},
            "held": known["summary"],
            "erased": known["services"],
        }

    async def _row(self, workspace: str, request: str) -> asyncpg.Record:
        row = await self._pool.fetchrow(_GET, workspace, request)
        if row is None:
            raise NotFound(f"there is no request {request!r} in this workspace")
        return row


def _kinds(row: asyncpg.Record) -> dict[str, str]:
    return msgspec.json.decode(row["seeds"], type=dict[str, str])


def _seeds(row: asyncpg.Record) -> list[Pseudonym]:
    return [Pseudonym(kind, bytes.fromhex(id)) for id, kind in _kinds(row).items()]


def _moment(at: int | None) -> str | None:
    return None if at is None else iso(at)
