"""All that is written to ClickHouse. Every function takes a client and the database of a generation.

Tables are plain MergeTree: a table that replaces older versions of a row would lose them when a newer one, never
committed, is taken back. No partitions: an insert is one part, whatever times the clients' clocks say.
"""

import time
from collections.abc import Sequence

from clickhouse_connect.driver.client import Client

from services.insights.rows import Link, Row

# Old parts and finished mutations go within seconds: what is erased must leave the disk. An insert is on disk before
# the position that covers it is.
_SETTINGS = """
old_parts_lifetime = 1, cleanup_delay_period = 1, max_cleanup_delay_period = 1, cleanup_delay_period_random_add = 0,
merge_tree_clear_old_parts_interval_seconds = 1, finished_mutations_to_keep = 0,
fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1
"""
_EVENTS = {
    "partition": "UInt16",
    "entry": "UInt64",
    "position": "UInt64",
    "idx": "UInt32",
    "workspace": "LowCardinality(String)",
    "binding": "FixedString(16)",
    "at": "Int64",
    "received_at": "Int64",
    "source": "LowCardinality(String)",
    "channel": "LowCardinality(String)",
    "medium": "LowCardinality(String)",
    "campaign_source": "LowCardinality(String)",
    "campaign": "LowCardinality(String)",
    "type": "LowCardinality(String)",
    "event": "LowCardinality(String)",
    "sign": "Int8",
    "minor": "Int64",
    "currency": "LowCardinality(String)",
}
_LINKS = {
    "partition": "UInt16",
    "entry": "UInt64",
    "seq": "UInt32",
    "binding": "FixedString(16)",
    "customer": "FixedString(16)",
    "erased": "UInt8",
}
_SYNC = {"mutations_sync": 2, "allow_nondeterministic_mutations": 1}
PARTS_PATIENCE_SECONDS = 60.0


class StillThere(Exception):
    """Deleted rows are still on disk; asked again later."""


def create(client: Client, database: str) -> None:
    """The tables of a generation, where they are missing."""
    client.command(f"CREATE DATABASE IF NOT EXISTS {database} ENGINE = Atomic")
    client.command(
        f"CREATE TABLE IF NOT EXISTS {database}.events ({_columns(_EVENTS)}) ENGINE = MergeTree "
        f"ORDER BY (workspace, at, position, idx) SETTINGS {_SETTINGS}"
    )
    client.command(
        f"CREATE TABLE IF NOT EXISTS {database}.links ({_columns(_LINKS)}) ENGINE = MergeTree "
        f"ORDER BY (binding, entry, seq) SETTINGS {_SETTINGS}"
    )


def databases(client: Client) -> list[str]:
    """The generations in the directory."""
    rows = client.query("SELECT name FROM system.databases WHERE name LIKE 'generation_%' ORDER BY name").result_rows
    return [row[0] for row in rows]


def drop(client: Client, database: str) -> None:
    """Removes a generation and its files."""
    client.command(f"DROP DATABASE IF EXISTS {database} SYNC")


def insert(client: Client, database: str, rows: Sequence[Row], links: Sequence[Link]) -> None:
    """Links first: a row without a link would be nobody's."""
    for table, columns, given in (("links", _LINKS, links), ("events", _EVENTS, rows)):
        if given:
            client.insert(
                f"{database}.{table}",
                list(zip(*given, strict=True)),
                column_names=list(columns),
                column_type_names=list(columns.values()),
                column_oriented=True,
            )


def take_back(client: Client, database: str, partition: int, after: int) -> None:
    """Removes what a process that died, or lost its transaction, left beyond position `after`."""
    beyond = f"partition = {partition:d} AND entry > {after:d}"
    for table in ("events", "links"):
        if _count(client, f"{database}.{table} WHERE {beyond}"):
            client.command(f"ALTER TABLE {database}.{table} DELETE WHERE {beyond}", settings=_SYNC)
        if left := _count(client, f"{database}.{table} WHERE {beyond}"):
            raise StillThere(f"{left} rows of {table} beyond {after} could not be taken back")


def count_by_source(
    client: Client, database: str, partition: int, before: int, bindings: Sequence[bytes]
) -> dict[tuple[str, str], int]:
    """Living events of bindings by (workspace, source), of entries before `before`."""
    query = f"""
        SELECT workspace, source, count() FROM {database}.events
        WHERE partition = {partition:d} AND entry < {before:d} AND binding IN {{bindings:Array(FixedString(16))}}
        AND binding NOT IN (
            SELECT binding FROM {database}.links WHERE erased AND partition = {partition:d} AND entry < {before:d}
        ) GROUP BY workspace, source
    """  # noqa: S608 - names and numbers of our own
    rows = client.query(query, parameters={"bindings": list(bindings)}).result_rows
    return {(row[0], row[1]): row[2] for row in rows}


def bindings_of(client: Client, database: str, partition: int, before: int, customer: bytes) -> list[bytes]:
    """A customer's living bindings as of entries before `before`."""
    query = f"""
        SELECT binding FROM {database}.links WHERE partition = {partition:d} AND entry < {before:d} GROUP BY binding
        HAVING NOT argMax(erased, (entry, seq)) AND argMax(customer, (entry, seq)) IN {{who:Array(FixedString(16))}}
    """  # noqa: S608 - names and numbers of our own
    return [row[0] for row in client.query(query, parameters={"who": [customer]}).result_rows]


def living(client: Client, database: str, upto: dict[int, int]) -> int:
    """How many events the history holds up to each partition's position, without those erased."""
    counted = 0
    for partition, position in upto.items():
        within = f"partition = {partition:d} AND entry <= {position:d}"
        erased = f"SELECT binding FROM {database}.links WHERE erased AND {within}"  # noqa: S608 - numbers
        counted += _count(client, f"{database}.events WHERE {within} AND binding NOT IN ({erased})")
    return counted


def forget(client: Client, database: str, partition: int, upto: int) -> None:
    """Takes what is erased up to a position off the disk. Returns when the bytes are gone; repeatable.

    The statement names no binding: ClickHouse keeps the text of a mutation for a while.
    """
    erased = f"SELECT binding FROM {database}.links WHERE erased AND partition = {partition:d} AND entry <= {upto:d}"  # noqa: S608 - numbers
    client.command(f"ALTER TABLE {database}.events DELETE WHERE binding IN ({erased})", settings=_SYNC)
    client.command(f"ALTER TABLE {database}.links DELETE WHERE NOT erased AND binding IN ({erased})", settings=_SYNC)
    _await_parts(client, database)


def _await_parts(client: Client, database: str) -> None:
    """Waits until no part that a mutation or merge has replaced is left. Raises StillThere."""
    names = f"SELECT name FROM system.parts WHERE database = '{database}' AND NOT active"  # noqa: S608 - ours
    replaced = {row[0] for row in client.query(names).result_rows}
    deadline = time.monotonic() + PARTS_PATIENCE_SECONDS
    while replaced:
        if time.monotonic() > deadline:
            raise StillThere(f"{len(replaced)} replaced parts are still on disk after {PARTS_PATIENCE_SECONDS:g} s")
        time.sleep(0.1)
        replaced &= {row[0] for row in client.query(names).result_rows}


def _count(client: Client, rest: str) -> int:
    return int(client.query(f"SELECT count() FROM {rest}").result_rows[0][0])  # noqa: S608 - ours


def _columns(columns: dict[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())
