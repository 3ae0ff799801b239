"""Segments as a processor: STITCHED in, SEGMENTS out (libs/common/processor.py)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.contracts.segments import SEGMENTS, Segmented, SegmentFacts
from libs.common.contracts.stitched import STITCHED, Origin, StitchedEntry
from libs.common.db import driver_connection
from libs.common.eventlog.base import Stored, segments_stream, stitched_stream
from libs.common.processor import Flow
from services.segments import deciding, store
from services.segments.loading import Keys, load
from services.segments.state import State

BATCH_ENTRIES = 8
"""Each may look at PER_ENTRY customers beside those it names, and all are in memory at once."""


def _segmented(origin: Origin, clock: int, _: Sequence[Stored], facts: list[Any]) -> Segmented:
    return Segmented(origin, clock, facts)


SEGMENTING = Flow(stitched_stream, STITCHED, segments_stream, SEGMENTS, _segmented, None, BATCH_ENTRIES)


class Segmenting:
    """Keeps one partition's segments; see Processor. A vault that is away is waited for."""

    name = "segments"
    flow = SEGMENTING

    def __init__(self, vault: Keys, partition: int) -> None:
        self._vault, self._partition = vault, partition

    async def load(self, connection: AsyncConnection, entries: Sequence[tuple[int, StitchedEntry]]) -> State:
        return await load(await driver_connection(connection), self._vault, self._partition, entries)

    def decide(self, state: State, position: int, entry: StitchedEntry) -> SegmentFacts:
        return deciding.decide(state, position, entry)

    def evolve(self, state: State, position: int, entry: StitchedEntry, facts: SegmentFacts) -> None:
        deciding.evolve(state, position, entry, facts)

    def clock_of(self, state: State) -> int:
        return state.clock

    async def save(self, connection: AsyncConnection, state: State) -> None:
        await store.save(await driver_connection(connection), self._partition, state)
