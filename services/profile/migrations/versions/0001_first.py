"""Bindings with their fragments, the timeline, aliases of merged customers, accounting, reveals."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0001"
down_revision = None


def _id(name: str, *, primary_key: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, primary_key=primary_key, nullable=False)


def _number(name: str, *, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=primary_key, autoincrement=False, nullable=False)


def _big(name: str, *, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=primary_key, autoincrement=False, nullable=False)


def _text(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=primary_key, nullable=False)


def upgrade() -> None:
    op.create_table(
        "positions",
        *(_text("consumer", primary_key=True), _number("partition", primary_key=True), _text("log_id")),
        *(_big("position"), _text("out_log_id"), _big("out_position")),
    )
    _create_bindings()
    op.create_table(
        "timeline",
        *(_id("binding", primary_key=True), _big("at", primary_key=True), _big("position", primary_key=True)),
        *(_number("idx", primary_key=True), _id("event_id"), _text("source"), _id("sealed")),
    )
    op.create_table("aliases", _id("customer", primary_key=True), _id("winner"))
    op.create_index("aliases_winner", "aliases", ["winner"])
    op.create_table(
        "accounting",
        *(_text("workspace", primary_key=True), _text("source", primary_key=True), _big("stored"), _big("erased")),
    )
    op.create_table(
        "horizon",
        *(_number("partition", primary_key=True), _big("position"), _big("clock")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "reveals",
        *(_big("position", primary_key=True), _number("partition", primary_key=True), _text("workspace")),
        *(_big("at"), _text("caller"), _id("customer"), _text("purpose")),
        sa.Column("names", ARRAY(sa.Text), nullable=False),
    )
    op.create_index("reveals_customer", "reveals", ["customer"])


def _create_bindings() -> None:
    op.create_table(
        "bindings",
        *(_id("binding", primary_key=True), _text("workspace"), _id("customer"), _text("suite"), _id("pseudonyms")),
        sa.Column("fragment", sa.LargeBinary),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index("bindings_customer", "bindings", ["customer"])
    op.create_table("pseudonyms", _id("pseudonym", primary_key=True), _id("binding", primary_key=True))
    op.create_index("pseudonyms_binding", "pseudonyms", ["binding"])


def downgrade() -> None:
    for table in ("reveals", "horizon", "accounting", "aliases", "timeline", "pseudonyms", "bindings", "positions"):
        op.drop_table(table)
