"""Profile's tables: a fold of STITCHED, so all of them can be dropped and replayed.

Ids are 16 bytes. What a person did or is called stands only in `bindings.fragment` and `timeline.sealed`, both
sealed under the data key of the binding: with the key destroyed, every old copy of these rows is noise.
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
)
from sqlalchemy.dialects.postgresql import ARRAY

from libs.common.confirming import confirmations_table
from libs.common.positions import positions_table

metadata = MetaData()

positions_table(metadata)

confirmations_table(metadata)

bindings = Table(
    "bindings",
    metadata,
    Column("binding", LargeBinary, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("customer", LargeBinary, nullable=False),
    Column("suite", Text, nullable=False),
    # Its own identifiers, [[kind, pseudonym], ...] in msgpack; those that identity held out are not among them.
    Column("pseudonyms", LargeBinary, nullable=False),
    Column("fragment", LargeBinary),  # null until its first event was folded
    # Room in the page for the next version of the row: no index entry moves when a fragment is rewritten.
    postgresql_with={"fillfactor": 70},
)
Index("bindings_customer", bindings.c.customer)

pseudonyms = Table(
    "pseudonyms",
    metadata,
    Column("pseudonym", LargeBinary, nullable=False),
    Column("binding", LargeBinary, nullable=False),
    PrimaryKeyConstraint("pseudonym", "binding"),
)
Index("pseudonyms_binding", pseudonyms.c.binding)

timeline = Table(
    "timeline",
    metadata,
    Column("binding", LargeBinary, nullable=False),
    Column("at", BigInteger, nullable=False),  # effective time, microseconds
    Column("position", BigInteger, nullable=False),  # of the entry in EVENTS
    Column("idx", Integer, nullable=False),  # of the event in the entry
    Column("event_id", LargeBinary, nullable=False),
    Column("source", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),  # the log's own ciphertext
    PrimaryKeyConstraint("binding", "at", "position", "idx"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("customer", LargeBinary, primary_key=True),  # ended by a merge
    Column("winner", LargeBinary, nullable=False),  # the customer it is now, after all merges
)
Index("aliases_winner", aliases.c.winner)

accounting = Table(
    "accounting",
    metadata,
    Column("workspace", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("erased", BigInteger, nullable=False),
    PrimaryKeyConstraint("workspace", "source"),
)

horizon = Table(
    "horizon",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),  # the last EVENTS entry that is applied
    Column("clock", BigInteger, nullable=False),  # the partition's clock there, microseconds
    postgresql_with={"fillfactor": 50},
)

reveals = Table(
    "reveals",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),  # of the entry in EVENTS
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("workspace", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("caller", Text, nullable=False),
    Column("customer", LargeBinary, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("names", ARRAY(Text), nullable=False),  # what was shown: never a value
)
Index("reveals_customer", reveals.c.customer)
