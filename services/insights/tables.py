"""What insights keeps in PostgreSQL: where it stands, its accounts, and erasures whose bytes are not gone yet.

The history itself is in ClickHouse, in the database that `generation` names. Whatever commits here decides what of
the history counts: rows beyond the committed position are as if they were not there.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from libs.common.confirming import confirmations_table
from libs.common.positions import positions_table

metadata = MetaData()

positions = positions_table(metadata)
confirmations = confirmations_table(metadata)

generation = Table(
    "generation",
    metadata,
    Column("sole", Boolean, primary_key=True, default=True),
    Column("name", Text, nullable=False),  # of the ClickHouse database
)

accounting = Table(
    "accounting",
    metadata,
    Column("workspace", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("erased", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "source"),
)

erasures = Table(
    "erasures",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("entry", BigInteger, primary_key=True, autoincrement=False),  # position in STITCHED
    Column("request", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("bindings", ARRAY(LargeBinary), nullable=False),
    Column("events", BigInteger, nullable=False),
)
