"""SQL of the vault's two families of sealed rows: identifiers and bindings.

Rows of one statement are in key order: it is the order of locks, and it does not tell who came with whom.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.privacy.buckets import BINDINGS, IDENTIFIERS


class IdentifierRow(NamedTuple):
    """A row of `identifiers`."""

    pseudonym: bytes
    kind: str
    bucket: int
    lookup: bytes
    sealed: bytes


class BindingRow(NamedTuple):
    """A row of `bindings`."""

    binding: bytes
    bucket: int
    sealed: bytes


async def find_identifiers(
    connection: AsyncConnection, workspace: str, places: Sequence[tuple[int, bytes]]
) -> dict[tuple[int, bytes], bytes]:
    """The pseudonym at each (bucket, lookup) that is taken."""
    rows = await connection.execute(
        text(
            "SELECT i.bucket, i.lookup, i.pseudonym "
            "FROM unnest(CAST(:buckets AS bigint[]), CAST(:lookups AS bytea[])) AS wanted(bucket, lookup) "
            "JOIN identifiers i ON i.workspace = :workspace AND i.bucket = wanted.bucket AND i.lookup = wanted.lookup"
        ),
        {
            "workspace": workspace,
            "buckets": [bucket for bucket, _ in places],
            "lookups": [lookup for _, lookup in places],
        },
    )
    return {(bucket, lookup): pseudonym for bucket, lookup, pseudonym in rows.all()}


async def add_identifiers(
    connection: AsyncConnection, workspace: str, rows: Iterable[IdentifierRow]
) -> dict[tuple[int, bytes], bytes]:
    """Adds those whose place is free; the pseudonym at each place that was."""
    ordered = sorted(rows, key=lambda row: (row.bucket, row.lookup))
    added = await connection.execute(
        text(
            "INSERT INTO identifiers (workspace, pseudonym, kind, bucket, lookup, sealed) "
            "SELECT :workspace, * FROM unnest(CAST(:pseudonyms AS bytea[]), CAST(:kinds AS text[]), "
            "CAST(:buckets AS bigint[]), CAST(:lookups AS bytea[]), CAST(:sealed AS bytea[])) "
            "ON CONFLICT (workspace, bucket, lookup) DO NOTHING RETURNING bucket, lookup, pseudonym"
        ),
        {"workspace": workspace, **_identifier_columns(ordered)},
    )
    return {(bucket, lookup): pseudonym for bucket, lookup, pseudonym in added.all()}


async def rewrap_identifiers(connection: AsyncConnection, workspace: str, rows: Sequence[IdentifierRow]) -> None:
    """Moves rows to another bucket or key."""
    await connection.execute(
        text(
            "UPDATE identifiers i SET bucket = n.bucket, lookup = n.lookup, sealed = n.sealed "
            "FROM unnest(CAST(:pseudonyms AS bytea[]), CAST(:kinds AS text[]), CAST(:buckets AS bigint[]), "
            "CAST(:lookups AS bytea[]), CAST(:sealed AS bytea[])) AS n(pseudonym, kind, bucket, lookup, sealed) "
            "WHERE i.workspace = :workspace AND i.pseudonym = n.pseudonym"
        ),
        {"workspace": workspace, **_identifier_columns(rows)},
    )


def _identifier_columns(rows: Sequence[IdentifierRow]) -> dict[str, list[object]]:
    return {
        "pseudonyms": [row.pseudonym for row in rows],
        "kinds": [row.kind for row in rows],
        "buckets": [row.bucket for row in rows],
        "lookups": [row.lookup for row in rows],
        "sealed": [row.sealed for row in rows],
    }


async def identifiers_in(connection: AsyncConnection, workspace: str, bucket: int) -> list[IdentifierRow]:
    """All rows of a bucket."""
    rows = await connection.execute(
        text(
            "SELECT pseudonym, kind, bucket, lookup, sealed FROM identifiers "
            "WHERE workspace = :workspace AND bucket = :bucket ORDER BY pseudonym"
        ),
        {"workspace": workspace, "bucket": bucket},
    )
    return [IdentifierRow(*row) for row in rows.all()]


async def identifiers_of(
    connection: AsyncConnection, workspace: str, pseudonyms: Iterable[bytes]
) -> list[IdentifierRow]:
    """The rows of pseudonyms."""
    rows = await connection.execute(
        text(
            "SELECT pseudonym, kind, bucket, lookup, sealed FROM identifiers "
            "WHERE workspace = :workspace AND pseudonym = ANY(CAST(:pseudonyms AS bytea[])) ORDER BY pseudonym"
        ),
        {"workspace": workspace, "pseudonyms": list(pseudonyms)},
    )
    return [IdentifierRow(*row) for row in rows.all()]


async def delete_identifiers(connection: AsyncConnection, workspace: str, pseudonyms: Iterable[bytes]) -> None:
    """Deletes the rows of pseudonyms."""
    await connection.execute(
        text("DELETE FROM identifiers WHERE workspace = :workspace AND pseudonym = ANY(CAST(:pseudonyms AS bytea[]))"),
        {"workspace": workspace, "pseudonyms": sorted(pseudonyms)},
    )


async def find_bindings(
    connection: AsyncConnection, workspace: str, places: Sequence[tuple[int, bytes]]
) -> dict[bytes, BindingRow]:
    """The row of each (bucket, binding) that exists."""
    rows = await connection.execute(
        text(
            "SELECT b.binding, b.bucket, b.sealed "
            "FROM unnest(CAST(:buckets AS bigint[]), CAST(:bindings AS bytea[])) AS wanted(bucket, binding) "
            "JOIN bindings b ON b.workspace = :workspace AND b.bucket = wanted.bucket AND b.binding = wanted.binding"
        ),
        {
            "workspace": workspace,
            "buckets": [bucket for bucket, _ in places],
            "bindings": [binding for _, binding in places],
        },
    )
    return {row[0]: BindingRow(*row) for row in rows.all()}


async def add_bindings(
    connection: AsyncConnection, workspace: str, rows: Iterable[BindingRow]
) -> dict[bytes, BindingRow]:
    """Adds those that do not exist; the rows that were added."""
    ordered = sorted(rows, key=lambda row: (row.bucket, row.binding))
    added = await connection.execute(
        text(
            "INSERT INTO bindings (workspace, binding, bucket, sealed) "
            "SELECT :workspace, * FROM unnest(CAST(:bindings AS bytea[]), CAST(:buckets AS bigint[]), "
            "CAST(:sealed AS bytea[])) ON CONFLICT (workspace, bucket, binding) DO NOTHING RETURNING binding"
        ),
        {"workspace": workspace, **_binding_columns(ordered)},
    )
    by_binding = {row.binding: row for row in ordered}
    return {binding: by_binding[binding] for (binding,) in added.all()}


async def rewrap_bindings(connection: AsyncConnection, workspace: str, bucket: int, rows: Sequence[BindingRow]) -> None:
    """Moves rows out of `bucket`, or to its new key."""
    await connection.execute(
        text(
            "UPDATE bindings b SET bucket = n.bucket, sealed = n.sealed FROM unnest(CAST(:bindings AS bytea[]), "
            "CAST(:buckets AS bigint[]), CAST(:sealed AS bytea[])) AS n(binding, bucket, sealed) "
            "WHERE b.workspace = :workspace AND b.bucket = :bucket AND b.binding = n.binding"
        ),
        {"workspace": workspace, "bucket": bucket, **_binding_columns(rows)},
    )


def _binding_columns(rows: Sequence[BindingRow]) -> dict[str, list[object]]:
    return {
        "bindings": [row.binding for row in rows],
        "buckets": [row.bucket for row in rows],
        "sealed": [row.sealed for row in rows],
    }


async def bindings_in(connection: AsyncConnection, workspace: str, bucket: int) -> list[BindingRow]:
    """All rows of a bucket."""
    rows = await connection.execute(
        text(
            "SELECT binding, bucket, sealed FROM bindings "
            "WHERE workspace = :workspace AND bucket = :bucket ORDER BY binding"
        ),
        {"workspace": workspace, "bucket": bucket},
    )
    return [BindingRow(*row) for row in rows.all()]


async def delete_bindings(connection: AsyncConnection, workspace: str, rows: Iterable[BindingRow]) -> None:
    """Deletes rows."""
    ordered = sorted(rows, key=lambda row: (row.bucket, row.binding))
    await connection.execute(
        text(
            "DELETE FROM bindings b USING unnest(CAST(:buckets AS bigint[]), CAST(:bindings AS bytea[])) "
            "AS gone(bucket, binding) "
            "WHERE b.workspace = :workspace AND b.bucket = gone.bucket AND b.binding = gone.binding"
        ),
        {
            "workspace": workspace,
            "buckets": [row.bucket for row in ordered],
            "bindings": [row.binding for row in ordered],
        },
    )


async def count_rows(connection: AsyncConnection, workspace: str, family: str, bucket: int) -> int:
    """How many rows a bucket has."""
    table = {IDENTIFIERS: "identifiers", BINDINGS: "bindings"}[family]
    found = await connection.execute(
        text(f"SELECT count(*) FROM {table} WHERE workspace = :workspace AND bucket = :bucket"),  # noqa: S608 - one of two names
        {"workspace": workspace, "bucket": bucket},
    )
    return int(found.scalar_one())
