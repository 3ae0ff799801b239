"""Reading your own writes: waiting until a position of EVENTS is applied. All who wait share one question."""

import asyncio

from asyncpg import Pool

from libs.common.errors import BadRequest, Unavailable
from services.profile import queries

POLL_SECONDS = 0.01


def parse_at_least(given: str) -> tuple[int, int]:
    """(partition, position) of `partition:position`. Raises BadRequest."""
    partition, _, position = given.partition(":")
    if not (partition.isascii() and partition.isdigit() and position.isascii() and position.isdigit()):
        raise BadRequest("`at_least` is `partition:position`, such as 0:1234, as answered when something was written")
    return int(partition), int(position)


class Arrivals:
    """How far the projection of one partition is."""

    def __init__(self, pool: Pool, partition: int) -> None:
        self._pool, self._partition = pool, partition
        self._position = 0
        self._asking: asyncio.Task[None] | None = None

    async def wait(self, position: int, seconds: float) -> None:
        """Returns once `position` of EVENTS is applied. Raises Unavailable after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while self._position < position:
                    await self._ask()
        except TimeoutError:
            raise Unavailable(
                f"profiles stand at {self._partition}:{self._position} of EVENTS, {self._partition}:{position} was "
                f"not applied within {seconds:g} s: ask again"
            ) from None

    async def _ask(self) -> None:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._look())
            # Whoever waits gets the error; when nobody waits any more it is nobody's.
            self._asking.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.shield(self._asking)

    async def _look(self) -> None:
        found = (await queries.horizon(self._pool, self._partition)).position
        if found == self._position:
            await asyncio.sleep(POLL_SECONDS)
        self._position = found
