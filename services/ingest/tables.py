"""The service's tables, all folded from EVENTS: sources, accounting, quarantine."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text

from libs.common.positions import positions_table

metadata = MetaData()
positions = positions_table(metadata)

sources = Table(
    "sources",
    metadata,
    Column("source", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("deleted_at", BigInteger),
    Index("sources_key_hash", "key_hash", unique=True),
)

accounting = Table(
    "accounting",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("hour", BigInteger, primary_key=True, autoincrement=False),
    Column("received", BigInteger, nullable=False),
    Column("accepted", BigInteger, nullable=False),
    Column("rejected", BigInteger, nullable=False),
    Column("duplicate", BigInteger, nullable=False),
    Column("suppressed", BigInteger, nullable=False),
)
"""Per source and hour (microseconds since the epoch, of the entry's time)."""

quarantine = Table(
    "quarantine",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("idx", Integer, primary_key=True, autoincrement=False),
    Column("workspace", Text, nullable=False),
    Column("id", LargeBinary, nullable=False),
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("pointer", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("day", Text, nullable=False),
    Column("suite", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Index("quarantine_by_source", "workspace", "source", "partition", "position", "idx"),
)
"""One row per refusal: an event refused twice has two, so that rows and tallies agree."""
