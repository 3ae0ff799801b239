"""Identity's tables: a fold of STITCHED, so all of them can be dropped and replayed. Ids are 16 bytes."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY

from libs.common.confirming import confirmations_table
from libs.common.positions import positions_table

metadata = MetaData()

positions = positions_table(metadata)

confirmations_table(metadata)

# `fillfactor`: rows that every transaction updates find room in their page for the next version.
Table(
    "clock",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    postgresql_with={"fillfactor": 50},
)

seen = Table(
    "seen",
    metadata,
    Column("event_id", LargeBinary, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("partition", Integer, nullable=False),
)
# Rows come almost in the order of time, so a block range index finds the old ones and costs nothing to keep.
Index("seen_at", seen.c.at, postgresql_using="brin")

pseudonyms = Table(
    "pseudonyms",
    metadata,
    Column("pseudonym", LargeBinary, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("customer", LargeBinary, nullable=False),
    Column("born_position", BigInteger, nullable=False),
    Column("born_number", Integer, nullable=False),
)
Index("pseudonyms_customer", pseudonyms.c.customer, pseudonyms.c.kind)

customers = Table(
    "customers",
    metadata,
    Column("customer", LargeBinary, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("born_position", BigInteger, nullable=False),
    Column("born_number", Integer, nullable=False),
)

bindings = Table(
    "bindings",
    metadata,
    Column("binding", LargeBinary, primary_key=True),
    Column("customer", LargeBinary, nullable=False),
    Column("pseudonyms", ARRAY(LargeBinary), nullable=False),
    Column("first_position", BigInteger, nullable=False),
    Column("first_number", Integer, nullable=False),
)
Index("bindings_customer", bindings.c.customer)

former_customers = Table(
    "former_customers",
    metadata,
    Column("former", LargeBinary, primary_key=True),
    Column("customer", LargeBinary, nullable=False),
    Column("binding", LargeBinary, nullable=False),
    Column("position", BigInteger, nullable=False),
)
Index("former_customers_customer", former_customers.c.customer)

refusals = Table(
    "refusals",
    metadata,
    Column("binding", LargeBinary, primary_key=True),
    Column("rule", Text, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("held_kinds", ARRAY(Text), nullable=False),
    Column("held", ARRAY(LargeBinary), nullable=False),
    Column("customers", ARRAY(LargeBinary), nullable=False),
)
Index("refusals_position", refusals.c.workspace, refusals.c.position)

# Ids of erased bindings and pseudonyms, of which nothing else is left.
Table(
    "erased",
    metadata,
    Column("id", LargeBinary, primary_key=True),
    Column("request", Text, nullable=False),
)

# Events per source as identity decided: the stored, duplicate and suppressed of the accounting.
accounting = Table(
    "accounting",
    metadata,
    Column("workspace", Text, primary_key=True),
    Column("source", Text, primary_key=True),
    Column("fresh", BigInteger, nullable=False),
    Column("duplicate", BigInteger, nullable=False),
    Column("suppressed", BigInteger, nullable=False),
    postgresql_with={"fillfactor": 50},
)
