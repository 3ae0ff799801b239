"""Waiting until privacy's own projection has applied what was just written, so that an answer means it is in force."""

import asyncio

import asyncpg

from libs.common.errors import Unavailable
from services.privacy.rights.decisions import NAME

POLL_SECONDS = 0.005
_POSITION = "SELECT position FROM positions WHERE consumer = $1 AND partition = $2"


async def wait_applied(pool: asyncpg.Pool, partition: int, position: int, seconds: float) -> None:
    """Returns once the decisions of EVENTS up to `position` are in force. Raises Unavailable after `seconds`."""
    found = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                found = await pool.fetchval(_POSITION, NAME, partition) or 0
                if found >= position:
                    return
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise Unavailable(
            f"it is in the log at {partition}:{position} and will take effect, but privacy's worker stands at {found}; "
            "ask again, or send the same once more: it is recorded once"
        ) from None
