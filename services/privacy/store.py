"""SQL of the key tree: workspaces, slots, buckets, day keys; and the lock that guards its changes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.privacy.buckets import Bucket

_LOCK = "hashtextextended('wanliu vault ' || :workspace, 0)"


class Workspace(NamedTuple):
    """A row of `workspaces`."""

    name: str
    partition: int
    suite: str
    epoch: int
    key_file: str
    root_slot: int
    rotated_at: int


async def lock_exclusively(connection: AsyncConnection, workspace: str) -> None:
    """Until the transaction ends nobody else changes keys or adds rows. Its commit is durable when it returns."""
    await connection.execute(text("SET LOCAL synchronous_commit TO on"))
    await connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"), {"workspace": workspace})


async def lock_shared(connection: AsyncConnection, workspace: str) -> None:
    """Until the transaction ends nobody changes keys. Many may hold this; it waits behind a waiting changer."""
    await connection.execute(text(f"SELECT pg_advisory_xact_lock_shared({_LOCK})"), {"workspace": workspace})


async def workspace(connection: AsyncConnection, name: str) -> Workspace | None:
    """The workspace's row."""
    columns = ", ".join(Workspace._fields)
    found = await connection.execute(text(f"SELECT {columns} FROM workspaces WHERE name = :name"), {"name": name})  # noqa: S608 - our own column names
    row = found.one_or_none()
    return Workspace(*row) if row else None


async def workspaces(connection: AsyncConnection) -> list[str]:
    """All names."""
    return [row.name for row in await connection.execute(text("SELECT name FROM workspaces ORDER BY name"))]


async def epoch(connection: AsyncConnection, workspace: str) -> int:
    """The present epoch, -1 when there is no such workspace."""
    found = await connection.execute(text("SELECT epoch FROM workspaces WHERE name = :name"), {"name": workspace})
    row = found.one_or_none()
    return int(row.epoch) if row else -1


async def add_workspace(connection: AsyncConnection, row: Workspace, next_slot: int) -> None:
    """Adds a workspace and its slot counter."""
    columns, values = ", ".join(Workspace._fields), ", ".join(f":{name}" for name in Workspace._fields)
    await connection.execute(text(f"INSERT INTO workspaces ({columns}) VALUES ({values})"), row._asdict())  # noqa: S608 - our own column names
    await connection.execute(
        text("INSERT INTO slot_counters VALUES (:name, :next)"), {"name": row.name, "next": next_slot}
    )


async def take_slots(connection: AsyncConnection, workspace: str, count: int) -> range:
    """Numbers that were never used; in a transaction of its own, so that they never will be again."""
    found = await connection.execute(
        text('UPDATE slot_counters SET "next" = "next" + :count WHERE workspace = :workspace RETURNING "next"'),
        {"workspace": workspace, "count": count},
    )
    end = int(found.one().next)
    return range(end - count, end)


async def next_slot(connection: AsyncConnection, workspace: str) -> int:
    """All slots ever taken of the present file are below."""
    statement = text('SELECT "next" FROM slot_counters WHERE workspace = :workspace')
    return int((await connection.execute(statement, {"workspace": workspace})).one().next)


async def set_epoch(connection: AsyncConnection, workspace: str, epoch: int) -> None:
    """Keys have changed."""
    await connection.execute(
        text("UPDATE workspaces SET epoch = :epoch WHERE name = :workspace"),
        {"workspace": workspace, "epoch": epoch},
    )


async def rotated(connection: AsyncConnection, row: Workspace, next_slot: int) -> None:
    """The workspace has a new pair of key files."""
    await connection.execute(
        text(
            "UPDATE workspaces SET epoch = :epoch, key_file = :key_file, root_slot = :root_slot, "
            "rotated_at = :rotated_at WHERE name = :name"
        ),
        row._asdict(),
    )
    await connection.execute(
        text('UPDATE slot_counters SET "next" = :next WHERE workspace = :workspace'),
        {"workspace": row.name, "next": next_slot},
    )


async def buckets_since(connection: AsyncConnection, workspace: str, epoch: int) -> list[Bucket]:
    """The buckets whose key was made after `epoch`."""
    rows = await connection.execute(
        text(
            "SELECT family, start, slot, epoch FROM buckets WHERE workspace = :workspace AND epoch > :epoch "
            "ORDER BY family, start"
        ),
        {"workspace": workspace, "epoch": epoch},
    )
    return [Bucket(*row) for row in rows]


async def put_buckets(connection: AsyncConnection, workspace: str, buckets: Sequence[Bucket]) -> None:
    """Adds buckets, or gives existing ones their new slot."""
    await connection.execute(
        text(
            "INSERT INTO buckets (workspace, family, start, slot, epoch) "
            "SELECT :workspace, * FROM unnest(CAST(:families AS text[]), CAST(:starts AS bigint[]), "
            "CAST(:slots AS bigint[]), CAST(:epochs AS bigint[])) "
            "ON CONFLICT (workspace, family, start) DO UPDATE SET slot = excluded.slot, epoch = excluded.epoch"
        ),
        {
            "workspace": workspace,
            "families": [bucket.family for bucket in buckets],
            "starts": [bucket.start for bucket in buckets],
            "slots": [bucket.slot for bucket in buckets],
            "epochs": [bucket.epoch for bucket in buckets],
        },
    )


async def day_slots(connection: AsyncConnection, workspace: str) -> dict[str, int]:
    """The slot of each day that has a key."""
    rows = await connection.execute(
        text("SELECT day, slot FROM day_keys WHERE workspace = :workspace ORDER BY day"), {"workspace": workspace}
    )
    return {row.day: row.slot for row in rows}


async def day_slot(connection: AsyncConnection, workspace: str, day: str) -> int | None:
    """The slot of a day's key."""
    found = await connection.execute(
        text("SELECT slot FROM day_keys WHERE workspace = :workspace AND day = :day"),
        {"workspace": workspace, "day": day},
    )
    row = found.one_or_none()
    return int(row.slot) if row else None


async def put_days(connection: AsyncConnection, workspace: str, slots: Mapping[str, int]) -> None:
    """Adds days, or gives existing ones their new slot."""
    await connection.execute(
        text(
            "INSERT INTO day_keys (workspace, day, slot) SELECT :workspace, * "
            "FROM unnest(CAST(:days AS text[]), CAST(:slots AS bigint[])) "
            "ON CONFLICT (workspace, day) DO UPDATE SET slot = excluded.slot"
        ),
        {"workspace": workspace, "days": list(slots), "slots": list(slots.values())},
    )


async def delete_days(connection: AsyncConnection, workspace: str, before: str) -> list[int]:
    """Deletes the days before a day; their slots."""
    rows = await connection.execute(
        text("DELETE FROM day_keys WHERE workspace = :workspace AND day < :before RETURNING slot"),
        {"workspace": workspace, "before": before},
    )
    return [row.slot for row in rows]
