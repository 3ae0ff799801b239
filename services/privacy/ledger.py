"""SQL of the ledger: what was erased, and what is kept of it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection


class Erasure(NamedTuple):
    """A request: where it stands in EVENTS, how many rows it erased, when (None = pending)."""

    request: str
    position: int
    bindings: int
    identifiers: int
    erased_at: int | None


async def is_suppressing(connection: AsyncConnection, workspace: str) -> bool:
    """Whether anybody was ever erased."""
    statement = text("SELECT EXISTS (SELECT FROM suppressions WHERE workspace = :workspace)")
    return bool((await connection.execute(statement, {"workspace": workspace})).scalar_one())


async def suppressions(connection: AsyncConnection, workspace: str, lookups: Sequence[bytes]) -> dict[bytes, int]:
    """When each was erased, of those that were."""
    rows = await connection.execute(
        text(
            "SELECT lookup, erased_at FROM suppressions "
            "WHERE workspace = :workspace AND lookup = ANY(CAST(:lookups AS bytea[]))"
        ),
        {"workspace": workspace, "lookups": list(lookups)},
    )
    return {row.lookup: row.erased_at for row in rows}


async def suppress(connection: AsyncConnection, workspace: str, lookups: Mapping[bytes, int]) -> None:
    """Remembers that identifiers were erased; the latest time stays."""
    ordered = sorted(lookups.items())
    await connection.execute(
        text(
            "INSERT INTO suppressions (workspace, lookup, erased_at) SELECT :workspace, * "
            "FROM unnest(CAST(:lookups AS bytea[]), CAST(:times AS bigint[])) ON CONFLICT (workspace, lookup) "
            "DO UPDATE SET erased_at = greatest(suppressions.erased_at, excluded.erased_at)"
        ),
        {"workspace": workspace, "lookups": [key for key, _ in ordered], "times": [at for _, at in ordered]},
    )


async def erased_among(connection: AsyncConnection, workspace: str, bindings: Iterable[bytes]) -> set[bytes]:
    """Those of the bindings that the ledger names."""
    rows = await connection.execute(
        text(
            "SELECT binding FROM erased_bindings "
            "WHERE workspace = :workspace AND binding = ANY(CAST(:bindings AS bytea[]))"
        ),
        {"workspace": workspace, "bindings": list(bindings)},
    )
    return {row.binding for row in rows}


async def note_erased(connection: AsyncConnection, workspace: str, request: str, bindings: Iterable[bytes]) -> None:
    """Writes bindings into the ledger; the first request that erased one stays."""
    await connection.execute(
        text(
            "INSERT INTO erased_bindings (workspace, binding, request) "
            "SELECT :workspace, binding, :request FROM unnest(CAST(:bindings AS bytea[])) AS n(binding) "
            "ON CONFLICT (workspace, binding) DO NOTHING"
        ),
        {"workspace": workspace, "request": request, "bindings": sorted(bindings)},
    )


async def note_request(connection: AsyncConnection, workspace: str, request: str, position: int) -> None:
    """A request is pending, unless more is known of it."""
    await connection.execute(
        text(
            "INSERT INTO erasures (workspace, request, position, bindings, identifiers) "
            "VALUES (:workspace, :request, :position, 0, 0) ON CONFLICT (workspace, request) DO NOTHING"
        ),
        {"workspace": workspace, "request": request, "position": position},
    )


async def note_erasure(connection: AsyncConnection, workspace: str, done: Erasure) -> None:
    """A request is carried out; what it erased before, if anything, counts too."""
    await connection.execute(
        text(
            "INSERT INTO erasures AS e (workspace, request, position, bindings, identifiers, erased_at) "
            "VALUES (:workspace, :request, :position, :bindings, :identifiers, :erased_at) "
            "ON CONFLICT (workspace, request) DO UPDATE SET "
            "bindings = e.bindings + excluded.bindings, identifiers = e.identifiers + excluded.identifiers, "
            "erased_at = coalesce(e.erased_at, excluded.erased_at), "
            "wiped_at = CASE WHEN excluded.bindings + excluded.identifiers > 0 THEN NULL ELSE e.wiped_at END"
        ),
        {"workspace": workspace, **done._asdict()},
    )


async def erasure(connection: AsyncConnection, workspace: str, request: str) -> tuple[Erasure, int | None] | None:
    """What is known of a request, and when its keys were overwritten."""
    columns = ", ".join(Erasure._fields)
    found = await connection.execute(
        text(f"SELECT {columns}, wiped_at FROM erasures WHERE workspace = :workspace AND request = :request"),  # noqa: S608 - our own column names
        {"workspace": workspace, "request": request},
    )
    row = found.one_or_none()
    return (Erasure(*row[:-1]), row.wiped_at) if row else None


async def unwiped(connection: AsyncConnection, workspace: str) -> list[str]:
    """The requests that are carried out but whose old keys may still be on disk."""
    rows = await connection.execute(
        text(
            "SELECT request FROM erasures "
            "WHERE workspace = :workspace AND erased_at IS NOT NULL AND wiped_at IS NULL ORDER BY request"
        ),
        {"workspace": workspace},
    )
    return [row.request for row in rows]


async def note_wiped(connection: AsyncConnection, workspace: str, requests: Sequence[str], at: int) -> None:
    """The old keys of these requests are overwritten."""
    await connection.execute(
        text(
            "UPDATE erasures SET wiped_at = :at "
            "WHERE workspace = :workspace AND wiped_at IS NULL AND request = ANY(CAST(:requests AS text[]))"
        ),
        {"workspace": workspace, "requests": list(requests), "at": at},
    )


async def bindings_of(connection: AsyncConnection, workspace: str, requests: Sequence[str]) -> list[bytes]:
    """The bindings that requests erased."""
    rows = await connection.execute(
        text(
            "SELECT binding FROM erased_bindings "
            "WHERE workspace = :workspace AND request = ANY(CAST(:requests AS text[])) ORDER BY binding"
        ),
        {"workspace": workspace, "requests": list(requests)},
    )
    return [row.binding for row in rows]
