"""Where a consumer stands in a stream: one row, moved by compare-and-set in the transaction of its effects."""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.eventlog.base import EventLog, LogError


class Overtaken(Exception):
    """Another worker moved the position first: roll back and read the position again."""


@dataclass(frozen=True)
class Position:
    """`position` is the last entry applied; a processor also keeps the end of its own output stream."""

    position: int
    out_position: int


def positions_table(metadata: MetaData) -> Table:
    """The table `positions` that every schema with a consumer has."""
    return Table(
        "positions",
        metadata,
        Column("consumer", Text, primary_key=True),
        Column("partition", Integer, primary_key=True, autoincrement=False),
        Column("log_id", Text, nullable=False),
        Column("position", BigInteger, nullable=False),
        Column("out_log_id", Text, nullable=False),
        Column("out_position", BigInteger, nullable=False),
    )


_positions = positions_table(MetaData())


def _row(consumer: str, partition: int):  # type: ignore[no-untyped-def]  # SQLAlchemy's own generic
    return (_positions.c.consumer == consumer) & (_positions.c.partition == partition)


async def open_position(
    connection: AsyncConnection,
    consumer: str,
    partition: int,
    log: EventLog,
    stream: str,
    out_stream: str | None = None,
) -> Position:
    """The consumer's position, created at 0. Raises LogError when it belongs to another log or lies beyond its end.

    Such a position means that the log was restored from an older copy or replaced: reading on would skip facts.
    """
    log_id = await log.log_id(stream)
    out_log_id = await log.log_id(out_stream) if out_stream else ""
    await connection.execute(
        insert(_positions)
        .values(
            consumer=consumer,
            partition=partition,
            log_id=log_id,
            position=0,
            out_log_id=out_log_id,
            out_position=0,
        )
        .on_conflict_do_nothing()
    )
    row = (await connection.execute(select(_positions).where(_row(consumer, partition)))).one()
    checks = [(stream, log_id, row.log_id, row.position)]
    if out_stream:
        checks.append((out_stream, out_log_id, row.out_log_id, row.out_position))
    for name, found, stored, position in checks:
        if found != stored:
            raise LogError(f"{consumer} has read {name} of log {stored}, but this is log {found}: not the same log")
        end = await log.end(name)
        if position > end:
            raise LogError(f"{consumer} stands at {position} of {name}, which ends at {end}: the log lost entries")
    return Position(row.position, row.out_position)


async def read_position(connection: AsyncConnection, consumer: str, partition: int) -> Position:
    """The consumer's position, (0, 0) when it has never run."""
    row = (await connection.execute(select(_positions).where(_row(consumer, partition)))).one_or_none()
    return Position(row.position, row.out_position) if row else Position(0, 0)


async def lock_position(connection: AsyncConnection, consumer: str, partition: int) -> Position:
    """The consumer's position, locked until the transaction ends."""
    row = (await connection.execute(select(_positions).where(_row(consumer, partition)).with_for_update())).one()
    return Position(row.position, row.out_position)


async def move_position(
    connection: AsyncConnection, consumer: str, partition: int, before: Position, after: Position
) -> None:
    """Compare-and-set from `before` to `after`. Raises Overtaken when the row is not at `before`."""
    moved = await connection.execute(
        update(_positions)
        .where(
            _row(consumer, partition)
            & (_positions.c.position == before.position)
            & (_positions.c.out_position == before.out_position)
        )
        .values(position=after.position, out_position=after.out_position)
    )
    if moved.rowcount != 1:
        raise Overtaken(f"{consumer} {partition} is no longer at {before}")
