"""Positions, the generation of the history, accounting, pending erasures, confirmations."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _text(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=primary_key, nullable=False)


def _number(name: str, *, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=primary_key, autoincrement=False, nullable=False)


def _big(name: str, *, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=primary_key, autoincrement=False, nullable=False)


def upgrade() -> None:
    op.create_table(
        "positions",
        *(_text("consumer", primary_key=True), _number("partition", primary_key=True), _text("log_id")),
        *(_big("position"), _text("out_log_id"), _big("out_position")),
    )
    op.create_table("generation", sa.Column("sole", sa.Boolean, primary_key=True), _text("name"))
    op.create_table(
        "accounting",
        *(_text("workspace", primary_key=True), _text("source", primary_key=True), _big("stored"), _big("erased")),
    )
    op.create_table(
        "erasures",
        *(_number("partition", primary_key=True), _big("entry", primary_key=True), _text("request", primary_key=True)),
        *(_text("workspace"), sa.Column("bindings", sa.ARRAY(sa.LargeBinary), nullable=False), _big("events")),
    )
    op.create_table(
        "confirmations",
        *(_text("request", primary_key=True), _text("workspace"), _number("partition"), _text("counts")),
        *(_big("noted_at"), sa.Column("sent", sa.Boolean, nullable=False)),
    )
    op.create_index("confirmations_unsent", "confirmations", ["noted_at"], postgresql_where=sa.text("NOT sent"))


def downgrade() -> None:
    for table in ("confirmations", "erasures", "accounting", "generation", "positions"):
        op.drop_table(table)
