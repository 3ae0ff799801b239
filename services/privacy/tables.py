"""The vault's tables, in a database of their own. No column holds an identifier's value or a usable key.

`identifiers.lookup` and every `sealed` column depend on the key of the row's bucket, which stands in a slot
of a key file. So what the database keeps of a deleted row (dead tuples, WAL, backups) says nothing any more
once that slot is overwritten: neither the value, nor the key, nor which pseudonym a value had.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from libs.common.confirming import confirmations_table
from libs.common.positions import positions_table

metadata = MetaData()

workspaces = Table(
    "workspaces",
    metadata,
    Column("name", Text, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("suite", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),  # grows whenever any key of the workspace changes
    Column("key_file", Text, nullable=False),  # which kek.<...> and slots.<...> are in force
    Column("root_slot", BigInteger, nullable=False),  # holds the secret behind peppers and event ids
    Column("rotated_at", BigInteger, nullable=False),
)

slot_counters = Table(
    "slot_counters",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("next", BigInteger, nullable=False),  # slots are numbered once and never used again
)

buckets = Table(
    "buckets",
    metadata,
    Column("workspace", Text, nullable=False),
    Column("family", Text, nullable=False),  # identifiers or bindings
    Column("start", BigInteger, nullable=False),  # first of the 32-bit points the bucket covers
    Column("slot", BigInteger, nullable=False),
    Column("epoch", BigInteger, nullable=False),  # when its key was made
    PrimaryKeyConstraint("workspace", "family", "start"),
    Index("buckets_by_epoch", "workspace", "epoch"),
)

identifiers = Table(
    "identifiers",
    metadata,
    Column("workspace", Text, nullable=False),
    Column("pseudonym", LargeBinary, nullable=False),
    Column("kind", Text, nullable=False),
    Column("bucket", BigInteger, nullable=False),
    Column("lookup", LargeBinary, nullable=False),  # keyed hash of the value under the bucket's key
    Column("sealed", LargeBinary, nullable=False),  # the value
    PrimaryKeyConstraint("workspace", "pseudonym"),
    Index("identifiers_by_lookup", "workspace", "bucket", "lookup", unique=True),
)

bindings = Table(
    "bindings",
    metadata,
    Column("workspace", Text, nullable=False),
    Column("bucket", BigInteger, nullable=False),
    Column("binding", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # the data key
    PrimaryKeyConstraint("workspace", "bucket", "binding"),
)

day_keys = Table(
    "day_keys",
    metadata,
    Column("workspace", Text, nullable=False),
    Column("day", Text, nullable=False),
    Column("slot", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "day"),
)

erasures = Table(
    "erasures",
    metadata,
    Column("workspace", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("position", BigInteger, nullable=False),  # of the request in EVENTS
    Column("bindings", Integer, nullable=False),
    Column("identifiers", Integer, nullable=False),
    Column("erased_at", BigInteger),  # null: pending
    Column("wiped_at", BigInteger),  # null: old keys are not yet overwritten
    PrimaryKeyConstraint("workspace", "request"),
    Index("erasures_unwiped", "workspace", postgresql_where=text("erased_at IS NOT NULL AND wiped_at IS NULL")),
)

erased_bindings = Table(
    "erased_bindings",
    metadata,
    Column("workspace", Text, nullable=False),
    Column("binding", LargeBinary, nullable=False),
    Column("request", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "binding"),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("workspace", Text, nullable=False),
    Column("lookup", LargeBinary, nullable=False),  # keyed hash of the value under the suppression pepper
    Column("erased_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "lookup"),
)

positions = positions_table(metadata)

confirmations_table(metadata)
