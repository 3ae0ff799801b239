"""Where people stand: read from the decisions, answered over NATS (libs/common/contracts/standing.py)."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import asyncpg
import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg

from libs.common.contracts.standing import SUBJECT, Standing, StandingReply, StandingRequest
from libs.common.contracts.vault import ERROR_HEADER
from libs.common.errors import AppError

QUEUE_GROUP = "standing"
RESTRICTED = ""

_READ = """
SELECT pseudonym, purpose, granted FROM consents WHERE workspace = $1 AND pseudonym = ANY($2::bytea[])
UNION ALL SELECT pseudonym, '', false FROM restrictions WHERE workspace = $1 AND pseudonym = ANY($2::bytea[])
UNION ALL SELECT pseudonym, '', false FROM erased WHERE workspace = $1 AND pseudonym = ANY($2::bytea[])
"""


async def standings(pool: asyncpg.Pool, workspace: str, subjects: Sequence[Sequence[bytes]]) -> list[Standing]:
    """One Standing per subject, in order: one withdrawal among a person's pseudonyms denies."""
    every = list({pseudonym for subject in subjects for pseudonym in subject})
    known: defaultdict[bytes, list[tuple[str, bool]]] = defaultdict(list)
    for pseudonym, purpose, granted in await pool.fetch(_READ, workspace, every):
        known[pseudonym].append((purpose, granted))
    return [_standing(decision for each in subject for decision in known.get(each, ())) for subject in subjects]


def _standing(decisions: Iterable[tuple[str, bool]]) -> Standing:
    consents: dict[str, bool] = {}
    for purpose, granted in decisions:
        consents[purpose] = granted and consents.get(purpose, True)
    restricted = RESTRICTED in consents
    consents.pop(RESTRICTED, None)
    return Standing(consents, restricted)


class StandingServer:
    """Answers until the connection closes; `must_be_open` raises Unavailable while not all decisions are known."""

    def __init__(self, nats: Client, pool: asyncpg.Pool, must_be_open: Callable[[], None]) -> None:
        self._nats, self._pool, self._must_be_open = nats, pool, must_be_open

    async def start(self) -> None:
        """Begins to answer."""
        await self._nats.subscribe(SUBJECT, queue=QUEUE_GROUP, cb=self._answer)

    async def _answer(self, message: Msg) -> None:
        if not message.reply:
            return
        try:
            self._must_be_open()
            asked = msgspec.msgpack.decode(message.data, type=StandingRequest)
            found = await standings(self._pool, asked.workspace, asked.subjects)
            await message.respond(msgspec.msgpack.encode(StandingReply(found)))
        except Exception as error:
            detail = error.detail if isinstance(error, AppError) else f"{type(error).__name__}: see the log of privacy"
            structlog.get_logger().warning("a standing was not told", error=type(error).__name__)
            await self._nats.publish(message.reply, detail.encode(), headers={ERROR_HEADER: "unavailable"})
