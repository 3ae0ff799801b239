"""What happens at every start of the consumer and after each of its batches."""

import asyncio
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from services.insights import checking
from services.insights.engine import Engine
from services.insights.projection import InsightsProjection


@dataclass
class Following:
    """Looks once whether the history is whole; rests between small batches, for a small insert costs as a large one."""

    engine: Engine
    database: AsyncEngine
    projection: InsightsProjection
    rest_seconds: float
    _looked: bool = False

    async def settle(self) -> None:
        """See ProjectionConsumer. Raises InsightsFault when rows are missing or too many."""
        if not self._looked:
            await checking.require_whole(self.engine, self.database)
            self._looked = True
        if not self.projection.behind:
            await asyncio.sleep(self.rest_seconds)
