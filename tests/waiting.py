"""Waiting for what another process or task will do, without a guess how long it takes."""

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE_SECONDS = 15.0


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Returns as soon as `holds`; TimeoutError when it takes implausibly long."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await holds():
            await asyncio.sleep(0.01)
