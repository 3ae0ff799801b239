"""The canonical hash of a service's state: the same rows give the same hash, whatever order they were written in.

Sealed columns are opened by the service's decoders first, because the same plaintext never seals to the same
bytes twice. `positions`, Alembic's own table and the outbox of confirmations are not state.
"""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import MetaData, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from libs.common.confirming import KEPT

Row = dict[str, Any]
Decode = Callable[[Sequence[Row]], Awaitable[Sequence[Row]]]
"""Turns a chunk of a table's rows into canonical ones: opened, and without what may differ."""

NOT_STATE = frozenset({"positions", "alembic_version", *KEPT})
CHUNK_ROWS = 5000

_encoder = msgspec.json.Encoder(order="deterministic")


async def rows(connection: AsyncConnection, table: Table, decode: Decode | None) -> AsyncIterator[Row]:
    """Every row in the order of its primary key, decoded."""
    result = await connection.stream(select(table).order_by(*table.primary_key.columns))
    async for chunk in result.mappings().partitions(CHUNK_ROWS):
        plain = [dict(row) for row in chunk]
        for row in await decode(plain) if decode else plain:
            yield row


async def digest(
    connection: AsyncConnection,
    metadata: MetaData,
    decoders: Mapping[str, Decode] | None = None,
    leave_out: frozenset[str] = frozenset(),
) -> str:
    """SHA-256, hex, over all tables of `metadata` but `leave_out`, read in one snapshot by the caller's transaction."""
    total = hashlib.sha256()
    for table in sorted(metadata.tables.values(), key=lambda table: table.name):
        if table.name in NOT_STATE | leave_out:
            continue
        total.update(f"\0table {table.name}\0".encode())
        async for row in rows(connection, table, (decoders or {}).get(table.name)):
            total.update(_encoder.encode(row))
    return total.hexdigest()
