"""Pseudonyms, bindings and customers; what was seen; what was erased."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0001"
down_revision = None


def _id(name: str, *, primary_key: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, primary_key=primary_key, nullable=False)


def _number(name: str, *, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=primary_key, autoincrement=False, nullable=False)


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _text(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=primary_key, nullable=False)


def _ids(name: str) -> sa.Column[list[bytes]]:
    return sa.Column(name, ARRAY(sa.LargeBinary), nullable=False)


def upgrade() -> None:
    op.create_table(
        "positions",
        _text("consumer", primary_key=True),
        _number("partition", primary_key=True),
        _text("log_id"),
        _big("position"),
        _text("out_log_id"),
        _big("out_position"),
    )
    op.create_table("clock", _number("partition", primary_key=True), _big("at"), postgresql_with={"fillfactor": 50})
    op.create_table("seen", _id("event_id", primary_key=True), _big("at"), _number("partition"))
    op.create_index("seen_at", "seen", ["at"], postgresql_using="brin")
    op.create_table(
        "pseudonyms",
        _id("pseudonym", primary_key=True),
        _text("kind"),
        _id("customer"),
        _big("born_position"),
        _number("born_number"),
    )
    op.create_index("pseudonyms_customer", "pseudonyms", ["customer", "kind"])
    op.create_table(
        "customers",
        _id("customer", primary_key=True),
        _text("workspace"),
        _big("born_position"),
        _number("born_number"),
    )
    op.create_table(
        "bindings",
        _id("binding", primary_key=True),
        _id("customer"),
        _ids("pseudonyms"),
        _big("first_position"),
        _number("first_number"),
    )
    op.create_index("bindings_customer", "bindings", ["customer"])
    op.create_table(
        "former_customers",
        _id("former", primary_key=True),
        _id("customer"),
        _id("binding"),
        _big("position"),
    )
    op.create_index("former_customers_customer", "former_customers", ["customer"])
    op.create_table(
        "refusals",
        _id("binding", primary_key=True),
        _text("rule", primary_key=True),
        _text("workspace"),
        _big("position"),
        sa.Column("held_kinds", ARRAY(sa.Text), nullable=False),
        _ids("held"),
        _ids("customers"),
    )
    op.create_index("refusals_position", "refusals", ["workspace", "position"])
    op.create_table("erased", _id("id", primary_key=True), _text("request"))
    op.create_table(
        "accounting",
        _text("workspace", primary_key=True),
        _text("source", primary_key=True),
        _big("fresh"),
        _big("duplicate"),
        _big("suppressed"),
        postgresql_with={"fillfactor": 50},
    )


def downgrade() -> None:
    for table in (
        "accounting",
        "erased",
        "refusals",
        "former_customers",
        "bindings",
        "customers",
        "pseudonyms",
        "seen",
        "clock",
        "positions",
    ):
        op.drop_table(table)
