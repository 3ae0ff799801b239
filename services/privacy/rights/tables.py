"""People's decisions and requests: schema `privacy` of the main database, not the vault's.

All but `requests` (work in progress, kept by a replay) are folded from the log. Only pseudonyms, kinds, times and
counts stand here; no value, no key.
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
KEPT = ("requests", "confirmations")

positions = positions_table(metadata)
confirmations_table(metadata)

consents = Table(
    "consents",
    metadata,
    Column("workspace", Text, nullable=False),
    Column("pseudonym", LargeBinary, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("granted", Boolean, nullable=False),
    Column("position", BigInteger, nullable=False),  # of the decision in EVENTS
    Column("decided_at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("notice", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "pseudonym", "purpose"),
)

restrictions = Table(
    "restrictions",
    metadata,
    Column("workspace", Text, nullable=False),
    Column("pseudonym", LargeBinary, nullable=False),
    Column("request", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "pseudonym", "request"),
)
Index("restrictions_request", restrictions.c.workspace, restrictions.c.request)

confirmed = Table(
    "confirmed",
    metadata,
    Column("workspace", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("service", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("counts", Text, nullable=False),  # JSON
    PrimaryKeyConstraint("workspace", "request", "service"),
)

# Who is whom, as identity said: what a request's preview is made from.
bindings = Table(
    "bindings",
    metadata,
    Column("binding", LargeBinary, primary_key=True),
    Column("workspace", Text, nullable=False),
    Column("customer", LargeBinary, nullable=False),
    Column("kinds", Text, nullable=False),  # JSON: {pseudonym hex: kind}, without what identity held out
    Column("events", BigInteger, nullable=False),
    Column("first_position", BigInteger, nullable=False),
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

# Whoever still holds one of these must do nothing with it.
erased = Table(
    "erased",
    metadata,
    Column("workspace", Text, nullable=False),
    Column("pseudonym", LargeBinary, nullable=False),
    Column("request", Text, nullable=False),
    PrimaryKeyConstraint("workspace", "pseudonym"),
)

erasures = Table(
    "erasures",
    metadata,
    Column("workspace", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("position", BigInteger, nullable=False),  # of the request in EVENTS
    Column("at", BigInteger, nullable=False),
    Column("customers", Integer, nullable=False),
    Column("bindings", Integer, nullable=False),
    Column("pseudonyms", Integer, nullable=False),
    PrimaryKeyConstraint("workspace", "request"),
)

requests = Table(
    "requests",
    metadata,
    Column("workspace", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("state", Text, nullable=False),  # preview, pending, erasing, cancelled
    Column("actor", Text, nullable=False),
    Column("seeds", Text, nullable=False),  # JSON: {pseudonym hex: kind}
    Column("suppress", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("confirmed_at", BigInteger),
    Column("due_at", BigInteger),
    Column("cancelled_at", BigInteger),
    Column("erasure_position", BigInteger),  # in EVENTS; null until appended
    Column("summary", Text, nullable=False),  # JSON: identifiers, bindings, events at the time of confirming
    Column("expected", Text, nullable=False),  # JSON: the services that must confirm
    PrimaryKeyConstraint("workspace", "request"),
)
Index("requests_open", requests.c.partition, requests.c.state)
