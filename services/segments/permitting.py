"""Who of a page may be shown now. The tables say what the worker has folded; privacy says how people stand.

Asked anew for every answer, so a withdrawal or restriction holds from the moment it was acknowledged, also while the
worker lags or has stopped. Where privacy does not answer, nobody is shown (503).
"""

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.contracts.standing import Standing
from libs.common.purposes import may_process
from services.segments import queries


class Standings(Protocol):
    """What answering needs of privacy: over NATS (libs.common.standing_client), and in tests."""

    async def standings(self, subjects: Sequence[Sequence[bytes]]) -> list[Standing]:
        """Where each person stands. Raises Unavailable."""
        ...


async def permitted(
    standings: Standings, snapshot: AsyncConnection, purpose: str, customers: Sequence[bytes]
) -> set[bytes]:
    """Those of the customers that may be shown for the purpose. Raises Unavailable."""
    if not customers:
        return set()
    known = await queries.pseudonyms_of(snapshot, customers)
    found = await standings.standings([known.get(customer, []) for customer in customers])
    return {
        customer
        for customer, standing in zip(customers, found, strict=True)
        if may_process(purpose, standing.consents, restricted=standing.restricted).allowed
    }
