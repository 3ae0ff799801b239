"""Events between two readers' positions, counted per source from the log itself."""

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing

from libs.common.contracts.events import EVENTS, Batch
from libs.common.contracts.stitched import FRESH, STITCHED, Stitched, origins
from libs.common.eventlog.base import EventLog, LogError, events_stream, stitched_stream

READ_ENTRIES, READ_BYTES, WAIT_SECONDS = 64, 8 * 1024 * 1024, 5.0


async def accepted_between(log: EventLog, partition: int, behind: int, ahead: int, workspace: str) -> Counter[str]:
    """Accepted events in EVENTS after `behind` up to `ahead`; negative when `ahead` is the one that is behind."""
    counted: Counter[str] = Counter()
    sign = 1 if ahead >= behind else -1
    async with aclosing(_entries(log, events_stream(partition), *sorted((behind, ahead)))) as entries:
        async for data in entries:
            entry = EVENTS.decode(data)
            if isinstance(entry, Batch) and entry.workspace == workspace:
                for event in entry.events:
                    counted[entry.sources[event.source]] += sign
    return counted


async def fresh_between(log: EventLog, partition: int, behind: int, ahead: int, workspace: str) -> Counter[str]:
    """Events found fresh in STITCHED after `behind` up to `ahead`; negative when `ahead` is behind."""
    counted: Counter[str] = Counter()
    sign = 1 if ahead >= behind else -1
    async with aclosing(_entries(log, stitched_stream(partition), *sorted((behind, ahead)))) as entries:
        async for data in entries:
            output = STITCHED.decode(data)
            for _, entry, facts in origins(output) if isinstance(output, Stitched) else ():
                if isinstance(entry, Batch) and entry.workspace == workspace:
                    for event, outcome in zip(entry.events, facts.outcomes, strict=True):
                        counted[entry.sources[event.source]] += sign if outcome == FRESH else 0
    return counted


async def _entries(log: EventLog, stream: str, after: int, until: int) -> AsyncGenerator[bytes, None]:
    """The entries after one position up to another. Raises LogError when the log does not give them."""
    position = after
    if position >= until:
        return
    async with log.read(stream, after) as reader:
        while position < until:
            stored = await reader.next(
                max_entries=min(READ_ENTRIES, until - position), max_bytes=READ_BYTES, wait=WAIT_SECONDS
            )
            if not stored:
                raise LogError(f"{stream} gave no entry after {position}, although it goes to {until}")
            for entry in stored:
                yield entry.data
            position = stored[-1].position
