"""Who has stolen everything: key files, the whole data directory with its WAL, the log, and all the time in the world.

Knows how the vault works and what every bucket was ever called, tries every key that the slots still hold on
every place of every file where a sealed row may have been.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from libs.common.contracts.vault import Identifier
from libs.common.crypto import SUITES, CannotOpen, Sealer, Suite, associated, body_associated
from services.privacy import tables
from services.privacy.buckets import FAMILIES, IDENTIFIERS, Bucket
from services.privacy.keyfiles import SLOT_BYTES
from services.privacy.keytree import BucketKey, bucket_owner, open_slot

SEALED_KEY_BYTES = 60
_SIXTEEN_BYTES = re.compile(rb"\x23")  # the one-byte varlena header of 16 bytes
REACH = 80
"""How far behind an id its sealed column may begin: the other columns, their headers and alignment."""


@dataclass(frozen=True)
class Event:
    """An event in the log: encrypted, its binding in clear."""

    id: bytes
    binding: bytes
    body: bytes


@dataclass
class Thief:
    """Looks at one workspace. `names` grows with every look: what buckets were called does not stay secret."""

    workspace: str
    keys: Path
    data: Path
    suite: Suite = field(default_factory=lambda: SUITES["intl-v1"])
    names: set[Bucket] = field(default_factory=set)
    first_wal: str = ""
    copies: defaultdict[bytes, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    found: list[tuple[Bucket, bytes]] = field(default_factory=list)
    sealers: dict[str, list[Sealer]] = field(default_factory=dict)

    async def begin(self, engine: AsyncEngine) -> None:
        """Before the vault is used: older WAL does not concern it."""
        async with engine.connect() as connection:
            self.first_wal = str(await connection.scalar(text("SELECT pg_walfile_name(pg_current_wal_lsn())")))

    async def overhear(self, engine: AsyncEngine) -> None:
        """Learns what buckets are called now; later they may be called otherwise."""
        async with engine.connect() as connection:
            rows = await connection.execute(tables.buckets.select())
            self.names |= {Bucket(row.family, row.start, row.slot, row.epoch) for row in rows}

    async def look(self, engine: AsyncEngine) -> None:
        """Reads everything as it is on disk now."""
        await self.overhear(engine)
        async with engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(text("CHECKPOINT"))
            oid = await connection.scalar(text("SELECT oid FROM pg_database WHERE datname = current_database()"))
        heap = [path for path in (self.data / "base" / str(oid)).iterdir() if path.is_file()]
        wal = [path for path in (self.data / "pg_wal").iterdir() if path.is_file() and path.name >= self.first_wal]
        self.copies = _index(path.read_bytes() for path in heap + wal)
        self.found = self._bucket_keys()
        sealers = [(name.family, self.suite.sealer(key)) for name, key in self.found]
        self.sealers = {family: [each for of, each in sealers if of == family] for family in FAMILIES}

    def _bucket_keys(self) -> list[tuple[Bucket, bytes]]:
        """Every bucket key in any slot under any KEK, whatever it was called."""
        found = []
        for kek_file in self.keys.glob("*/kek.*"):
            kek = self.suite.sealer(kek_file.read_bytes())
            for content in self._slots():
                for name in self.names:
                    try:
                        key = open_slot(kek, self.suite, self.workspace, bucket_owner(name), content)
                    except CannotOpen:
                        continue
                    found.append((name, key))
        return found

    def _slots(self) -> Iterator[bytes]:
        for path in self.keys.glob("*/slots.*"):
            content = path.read_bytes()
            yield from (content[at : at + SLOT_BYTES] for at in range(0, len(content), SLOT_BYTES))

    def _carve(self, family: str, id: bytes, size: int) -> Iterator[bytes]:
        """What any key opens of what may be a sealed row of `id`."""
        about = associated(self.suite.name, self.workspace, family, id)
        candidates = {behind[at : at + size] for behind in self.copies[id] for at in range(REACH)}
        for candidate in candidates:
            for sealer in self.sealers[family]:
                try:
                    yield sealer.open(candidate, about)
                except CannotOpen:
                    continue

    def readable(self, events: Sequence[Event]) -> int:
        """How many events can be decrypted."""
        count = 0
        keys = {event.binding: set[bytes]() for event in events}
        for binding, found in keys.items():
            found.update(self._carve("bindings", binding, SEALED_KEY_BYTES))
        for event in events:
            about = body_associated(self.suite.name, self.workspace, event.binding, event.id)
            for key in keys[event.binding]:
                try:
                    self.suite.sealer(key).open(event.body, about)
                except CannotOpen:
                    continue
                count += 1
                break
        return count

    def named(self, people: Mapping[bytes, Identifier]) -> int:
        """How many pseudonyms can be turned into the identifier."""
        size = {pseudonym: 28 + len(identifier.value.encode()) for pseudonym, identifier in people.items()}
        return sum(
            identifier.value.encode() in set(self._carve("identifiers", pseudonym, size[pseudonym]))
            for pseudonym, identifier in people.items()
        )

    def recognised(self, people: Iterable[Identifier]) -> int:
        """How many known identifiers can be found in the files, hashed with any key there is."""
        keys = [BucketKey(self.suite, key, name.epoch) for name, key in self.found if name.family == IDENTIFIERS]
        lookups = [{key.lookup(person.kind, person.value) for key in keys} for person in people]
        return sum(any(self.copies[lookup] for lookup in found) for found in lookups)


def _index(files: Iterable[bytes]) -> defaultdict[bytes, list[bytes]]:
    """What follows each copy of each 16 bytes that PostgreSQL may have stored as `bytea`: tables, indexes, WAL."""
    copies: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for content in files:
        for header in _SIXTEEN_BYTES.finditer(content):
            end = header.end() + 16
            copies[content[header.end() : end]].append(content[end : end + REACH + SEALED_KEY_BYTES])
    return copies
