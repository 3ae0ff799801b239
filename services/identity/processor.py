"""Identity as a processor: EVENTS in, STITCHED out (libs/common/processor.py)."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.contracts.events import EventsEntry
from libs.common.contracts.stitched import Facts
from libs.common.processor import STITCHING, Flow
from services.identity import stitching, store
from services.identity.partition_clock import advance
from services.identity.state import Slice


@dataclass
class Identity:
    """Stitches one partition; see Processor."""

    partition: int
    name: str = "identity"
    flow: Flow = STITCHING

    async def load(self, connection: AsyncConnection, entries: Sequence[tuple[int, EventsEntry]]) -> Slice:
        return await store.load(connection, self.name, self.partition, entries)

    def decide(self, state: Slice, position: int, entry: EventsEntry) -> Facts:
        return stitching.decide(state, position, entry)

    def evolve(self, state: Slice, position: int, entry: EventsEntry, facts: Facts) -> None:
        stitching.evolve(state, position, entry, facts)

    def clock_of(self, state: Slice) -> int:
        return state.clock

    async def save(self, connection: AsyncConnection, state: Slice) -> None:
        await store.save(connection, self.partition, state)

    async def next_tick(self, connection: AsyncConnection, now: int) -> int:
        return advance(await store.read_clock(connection, self.partition), now)

    async def tick(self, connection: AsyncConnection, clock: int) -> None:
        before = await store.read_clock(connection, self.partition)
        await store.set_clock(connection, self.partition, before, clock)
