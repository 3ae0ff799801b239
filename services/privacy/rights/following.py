"""The two consumers behind people's decisions and requests, wired as worker and replay need them."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common.contracts.events import EVENTS
from libs.common.contracts.stitched import STITCHED
from libs.common.eventlog.base import EventLog, events_stream, stitched_stream
from libs.common.projection import ProjectionConsumer
from services.privacy.rights.decisions import Decisions
from services.privacy.rights.people import People
from services.privacy.rights.requests import Requests


@dataclass
class _Time:
    """The partition's clock, as the log told it."""

    now: int = 0

    def tell(self, clock: int) -> None:
        self.now = max(self.now, clock)


def follow_people(
    log: EventLog, engine: AsyncEngine, partition: int, requests: Requests | None = None
) -> list[ProjectionConsumer]:
    """Decisions, and people. With `requests`, each batch, ticks included, also starts the erasures that are due."""
    time = _Time()

    async def erase_due() -> None:
        if requests is not None:
            await requests.erase_due(partition, time.now)

    decisions = ProjectionConsumer(log, events_stream(partition), partition, engine, Decisions(), EVENTS)
    people = People(partition, time.tell)
    stream = stitched_stream(partition)
    return [decisions, ProjectionConsumer(log, stream, partition, engine, people, STITCHED, erase_due)]


@dataclass
class RightsReplay:
    """Rebuilds both; see replay.Rebuild."""

    consumers: list[ProjectionConsumer]

    async def catch_up(self) -> None:
        """Both to the present ends."""
        for consumer in self.consumers:
            await consumer.catch_up()

    async def catch_up_to(self, live: AsyncConnection) -> None:
        """Both to exactly the live positions."""
        for consumer in self.consumers:
            await consumer.catch_up_to(live)
