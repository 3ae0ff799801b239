"""The vault's operations, each a batch. What they promise stands in libs/common/contracts/vault.py."""

import asyncio
from datetime import date

from libs.common.clock import DAY, SECOND, day_of
from libs.common.contracts import vault as contract
from libs.common.contracts.vault import Identifier, Key
from libs.common.errors import BadRequest
from libs.common.identifiers import KINDS, MAX_LENGTH
from services.privacy import ledger, rows, store
from services.privacy.binding import BindJob
from services.privacy.keyring import Keyring
from services.privacy.keytree import KeyTree, day_owner
from services.privacy.rekey import open_identifier

BUCKET_ROWS = 1_000
REJECT_DAYS = 30
CLOCK_SKEW = 300 * SECOND


class Vault:
    """Answers requests. `crowded` collects buckets that may be full; growth.py looks after them."""

    def __init__(self, ring: Keyring, *, bucket_rows: int = BUCKET_ROWS) -> None:
        self.ring = ring
        self.bucket_rows = bucket_rows
        self.crowded: asyncio.Queue[tuple[str, str, int]] = asyncio.Queue()

    async def workspace(self, request: contract.WorkspaceRequest) -> contract.WorkspaceReply:
        """What a service must know to work for a workspace."""

        async def work(tree: KeyTree) -> contract.WorkspaceReply:
            return contract.WorkspaceReply(tree.workspace, tree.partition, tree.suite.name, tree.secrets.event_id_key)

        return await self.ring.reading(request.workspace, work)

    async def bind(self, request: contract.BindRequest) -> contract.BindReply:
        """Gets or creates pseudonyms, bindings and data keys."""
        for identifiers in request.sets:
            _check(identifiers)

        async def work(tree: KeyTree) -> contract.BindReply:
            job = BindJob(self.ring, tree, request.sets)
            bound = await job.run()
            self._suspect(request.workspace, job.added)
            return contract.BindReply(bound)

        return await self.ring.reading(request.workspace, work)

    def _suspect(self, workspace: str, added: list[tuple[str, int, bytes]]) -> None:
        """A sample of what was added, by its hash, says which bucket to count."""
        every = max(self.bucket_rows // 8, 1)
        for place in {(family, bucket) for family, bucket, id in added if id[-1] * 256 + id[-2] < 65536 // every}:
            self.crowded.put_nowait((workspace, *place))

    async def keys(self, request: contract.KeysRequest) -> contract.KeysReply:
        """The data keys of bindings."""

        async def work(tree: KeyTree) -> contract.KeysReply:
            wanted = dict.fromkeys(request.bindings)
            buckets = {binding: tree.binding_bucket(binding) for binding in wanted}
            async with self.ring.engine.connect() as connection:
                places = [(bucket.start, binding) for binding, bucket in buckets.items()]
                found = await rows.find_bindings(connection, tree.workspace, places)
                missing = [binding for binding in wanted if binding not in found]
                gone: set[bytes] = set()
                if missing:
                    gone = await ledger.erased_among(connection, tree.workspace, missing)
                    if len(gone) < len(missing):
                        await self.ring.require_present(connection, tree)
            known = {
                binding: Key(contract.LIVE, tree.open_row(buckets[binding], binding, row.sealed))
                for binding, row in found.items()
            }
            known |= {binding: Key(contract.ERASED if binding in gone else contract.UNKNOWN) for binding in missing}
            return contract.KeysReply([known[binding] for binding in request.bindings])

        return await self.ring.reading(request.workspace, work)

    async def find(self, request: contract.FindRequest) -> contract.FindReply:
        """The pseudonyms of identifiers, creating none."""
        _check(request.identifiers)

        async def work(tree: KeyTree) -> contract.FindReply:
            places = []
            for identifier in request.identifiers:
                bucket = tree.identifier_bucket(identifier.kind, identifier.value)
                places.append((bucket.start, tree.key(bucket).lookup(identifier.kind, identifier.value)))
            async with self.ring.engine.connect() as connection:
                found = await rows.find_identifiers(connection, tree.workspace, places)
                if len(found) < len(set(places)):
                    await self.ring.require_present(connection, tree)
            return contract.FindReply([found.get(place) for place in places])

        return await self.ring.reading(request.workspace, work)

    async def reveal(self, request: contract.RevealRequest) -> contract.RevealReply:
        """The identifiers behind pseudonyms."""

        async def work(tree: KeyTree) -> contract.RevealReply:
            async with self.ring.engine.connect() as connection:
                found = await rows.identifiers_of(connection, tree.workspace, request.pseudonyms)
            values = {row.pseudonym: Identifier(row.kind, open_identifier(tree, row)) for row in found}
            return contract.RevealReply([values.get(pseudonym) for pseudonym in request.pseudonyms])

        return await self.ring.reading(request.workspace, work)

    async def day_key(self, request: contract.DayKeyRequest) -> contract.DayKeyReply:
        """The key of a day's rejects."""
        day, now = _day(request.day), self.ring.clock.now()

        async def work(tree: KeyTree) -> contract.DayKeyReply:
            async with self.ring.engine.connect() as connection:
                slot = await store.day_slot(connection, tree.workspace, day)
            if slot is None:
                return contract.DayKeyReply(contract.UNKNOWN)
            return contract.DayKeyReply(contract.LIVE, tree.open_slot(slot, day_owner(day)))

        if day < first_kept_day(now):
            return contract.DayKeyReply(contract.ERASED)
        found = await self.ring.reading(request.workspace, work)
        if found.state == contract.UNKNOWN and day_of(now - DAY) <= day <= day_of(now + CLOCK_SKEW):
            await self._create_day(request.workspace, day)
            found = await self.ring.reading(request.workspace, work)
        return found

    async def _create_day(self, workspace: str, day: str) -> None:
        async with self.ring.changing(workspace) as change:
            if await store.day_slot(change.connection, workspace, day) is None:
                slots = await change.write([(day_owner(day), change.tree.suite.new_key())])
                await store.put_days(change.connection, workspace, {day: slots[0]})


def first_kept_day(now: int) -> str:
    """Rejects of days before this one are unreadable, or become so at the next sweep."""
    return day_of(now - REJECT_DAYS * DAY)


def _check(identifiers: list[Identifier]) -> None:
    if not identifiers:
        raise BadRequest("a set of identifiers is empty: an event of nobody has no binding")
    for identifier in identifiers:
        if identifier.kind not in KINDS:
            raise BadRequest(f"{identifier.kind!r} is no kind of identifier; kinds are {', '.join(KINDS)}")
        if not 0 < len(identifier.value) <= MAX_LENGTH:
            raise BadRequest(f"a {identifier.kind} has 1 to {MAX_LENGTH} characters, not {len(identifier.value)}")


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise BadRequest("a day is written YYYY-MM-DD") from None
