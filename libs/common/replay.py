"""Rebuilds a service's tables from the log beside the live ones, then swaps them in by name.

The shadow lives in schema `<service>_replay`, made by the same migrations. The swap waits for the live
consumers to be at the shadow's position, holds them there, compares the digests and renames the schemas in one
transaction: readers see the old state or the new one, and the consumer goes on from the same position.

A live consumer that waits for its old position row meanwhile must not go on with it: its effects would land in
the new tables. So the swap moves the old rows to NOWHERE, and the consumer finds itself overtaken. The old
tables are dropped after the swap: in it, the drop and that consumer would wait for each other.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from libs.common import migrate
from libs.common.db import open_engine

NOWHERE = -1


class Rebuild(Protocol):
    """One consumer of the service, on the shadow's engine."""

    async def catch_up(self) -> object:
        """Brings the shadow to the log's present end."""
        ...

    async def catch_up_to(self, live: AsyncConnection) -> None:
        """Brings the shadow to exactly the live position, which `live` locks until its transaction ends."""
        ...


@dataclass(frozen=True)
class Replayed:
    """The digest of the live state before, and of the rebuilt state that replaced it."""

    before: str
    after: str


async def replay(
    url: str,
    service: str,
    rebuilds: Callable[[AsyncEngine], Sequence[Rebuild]],
    digest: Callable[[AsyncConnection], Awaitable[str]],
    keep: Sequence[str] = (),
    migrations: str = "",
) -> Replayed:
    """Rebuilds `service` from position 0 and swaps. `keep` names tables that are no projections: they move over.

    `migrations` says whose migrations make the schema, where that is not the service of its name.

    The state is replaced even when the digests differ: the log is the truth. The caller reports the difference.
    """
    shadow = f"{service}_replay"
    async with open_engine(url, service) as live_engine, open_engine(url, shadow) as shadow_engine:
        await _drop(live_engine, f"{service}_replaced")  # an earlier replay may have died before it did
        await _recreate(live_engine, shadow)
        await migrate.upgrade(url, shadow, migrations or service)
        consumers = rebuilds(shadow_engine)
        for consumer in consumers:
            await consumer.catch_up()
        async with live_engine.begin() as live:
            for consumer in consumers:
                await consumer.catch_up_to(live)
            before = await digest(live)
            async with shadow_engine.connect() as rebuilt:
                after = await digest(rebuilt)
            await _swap(live, service, shadow, keep)
        await _drop(live_engine, f"{service}_replaced")
        return Replayed(before, after)


async def _recreate(engine: AsyncEngine, schema: str) -> None:
    await _drop(engine, schema)
    async with engine.begin() as connection:
        await connection.execute(text(f"CREATE SCHEMA {schema}"))


async def _drop(engine: AsyncEngine, schema: str) -> None:
    async with engine.begin() as connection:
        await connection.execute(text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))


async def _swap(live: AsyncConnection, service: str, shadow: str, keep: Sequence[str]) -> None:
    for table in keep:
        await live.execute(text(f"DROP TABLE {shadow}.{table}"))
        await live.execute(text(f"ALTER TABLE {service}.{table} SET SCHEMA {shadow}"))
    nowhere = text("UPDATE positions SET position = :nowhere, out_position = :nowhere")
    await live.execute(nowhere, {"nowhere": NOWHERE})
    await live.execute(text(f"ALTER SCHEMA {service} RENAME TO {service}_replaced"))
    await live.execute(text(f"ALTER SCHEMA {shadow} RENAME TO {service}"))
