"""Segments' tables: a fold of STITCHED and SEGMENTS, so all but `confirmations` can be dropped and replayed.

What a person did or is called stands only in `bindings.fragment`, sealed under the data key of the binding.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
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

positions_table(metadata)
confirmations_table(metadata)

clock = Table(
    "clock",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),  # the partition's, microseconds
    Column("position", BigInteger, nullable=False),  # the last EVENTS entry that is applied
    postgresql_with={"fillfactor": 50},
)

segments = Table(
    "segments",
    metadata,
    Column("segment", Text, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("definition", LargeBinary, nullable=False),  # JSON
    Column("position", BigInteger, nullable=False),  # of the STITCHED entry that brought it
    Column("at", BigInteger, nullable=False),
)

# Back-filling after a definition: the customers up to `after` have been looked at. No row: all have.
sweeps = Table(
    "sweeps",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("after", LargeBinary, nullable=False),
)

bindings = Table(
    "bindings",
    metadata,
    Column("binding", LargeBinary, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("workspace", Text, nullable=False),
    Column("suite", Text, nullable=False),
    Column("customer", LargeBinary, nullable=False),
    Column("fragment", LargeBinary),  # sealed; null until its first event
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

consents = Table(
    "consents",
    metadata,
    Column("pseudonym", LargeBinary, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("granted", Boolean, nullable=False),  # the latest decision
    Column("decided_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("pseudonym", "purpose"),
)

restrictions = Table(
    "restrictions",
    metadata,
    Column("pseudonym", LargeBinary, nullable=False),
    Column("request", Text, nullable=False),
    PrimaryKeyConstraint("pseudonym", "request"),
)

members = Table(
    "members",
    metadata,
    Column("segment", Text, nullable=False),
    Column("customer", LargeBinary, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),  # of the STITCHED entry that brought them in
    Column("reason", Text, nullable=False),
    PrimaryKeyConstraint("segment", "customer"),
)
Index("members_customer", members.c.customer)

# When the passing of time may next change a customer's memberships.
due = Table(
    "due",
    metadata,
    Column("customer", LargeBinary, primary_key=True),
    Column("partition", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
)
Index("due_at", due.c.partition, due.c.at, due.c.customer)

aliases = Table(
    "aliases",
    metadata,
    Column("customer", LargeBinary, primary_key=True),  # ended by a merge
    Column("winner", LargeBinary, nullable=False),  # the customer it is now, after all merges
)
Index("aliases_winner", aliases.c.winner)
