"""Definitions, members, when time may move them, and what is folded to know: fragments, consents, restrictions."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

TABLES = (
    *("confirmations", "aliases", "due", "members", "restrictions", "consents", "pseudonyms", "bindings"),
    *("sweeps", "segments", "clock", "positions"),
)


def _id(name: str, *, primary_key: bool = False, nullable: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, primary_key=primary_key, nullable=nullable)


def _number(name: str, *, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=primary_key, autoincrement=False, nullable=False)


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _text(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=primary_key, nullable=False)


def upgrade() -> None:
    op.create_table(
        "positions",
        *(_text("consumer", primary_key=True), _number("partition", primary_key=True), _text("log_id")),
        *(_big("position"), _text("out_log_id"), _big("out_position")),
    )
    op.create_table(
        "clock",
        *(_number("partition", primary_key=True), _big("at"), _big("position")),
        postgresql_with={"fillfactor": 50},
    )
    op.create_table(
        "segments",
        *(_text("segment", primary_key=True), _number("partition"), _text("workspace"), _text("name")),
        *(_text("purpose"), _id("definition"), _big("position"), _big("at")),
    )
    op.create_table("sweeps", _text("workspace", primary_key=True), _number("partition"), _id("after"))
    _create_people()
    op.create_table(
        "members",
        *(_text("segment", primary_key=True), _id("customer", primary_key=True), _big("since"), _big("position")),
        _text("reason"),
    )
    op.create_index("members_customer", "members", ["customer"])
    op.create_table("due", _id("customer", primary_key=True), _number("partition"), _big("at"))
    op.create_index("due_at", "due", ["partition", "at", "customer"])
    op.create_table("aliases", _id("customer", primary_key=True), _id("winner"))
    op.create_index("aliases_winner", "aliases", ["winner"])
    op.create_table(
        "confirmations",
        *(_text("request", primary_key=True), _text("workspace"), _number("partition"), _text("counts")),
        *(_big("noted_at"), sa.Column("sent", sa.Boolean, nullable=False)),
    )
    op.create_index("confirmations_unsent", "confirmations", ["noted_at"], postgresql_where=sa.text("NOT sent"))


def _create_people() -> None:
    op.create_table(
        "bindings",
        *(_id("binding", primary_key=True), _number("partition"), _text("workspace"), _text("suite"), _id("customer")),
        _id("fragment", nullable=True),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index("bindings_customer", "bindings", ["customer"])
    op.create_table("pseudonyms", _id("pseudonym", primary_key=True), _id("binding", primary_key=True))
    op.create_index("pseudonyms_binding", "pseudonyms", ["binding"])
    op.create_table(
        "consents",
        *(_id("pseudonym", primary_key=True), _text("purpose", primary_key=True)),
        sa.Column("granted", sa.Boolean, nullable=False),
    )
    op.create_table("restrictions", _id("pseudonym", primary_key=True), _text("request", primary_key=True))


def downgrade() -> None:
    for table in TABLES:
        op.drop_table(table)
