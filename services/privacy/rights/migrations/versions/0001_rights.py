"""Consents, restrictions, who is whom, erasures and who confirmed them; requests."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _text(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=primary_key, nullable=False)


def _id(name: str, *, primary_key: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, primary_key=primary_key, nullable=False)


def _big(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _number(name: str, *, primary_key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=primary_key, autoincrement=False, nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def upgrade() -> None:
    _create_log_tables()
    _create_consents()
    _create_people()
    _create_requests()


def _create_log_tables() -> None:
    op.create_table(
        "positions",
        *(_text("consumer", primary_key=True), _number("partition", primary_key=True), _text("log_id")),
        *(_big("position"), _text("out_log_id"), _big("out_position")),
    )
    op.create_table(
        "confirmations",
        *(_text("request", primary_key=True), _text("workspace"), _number("partition")),
        *(_text("counts"), _big("noted_at"), _flag("sent")),
    )
    op.create_index("confirmations_unsent", "confirmations", ["noted_at"], postgresql_where=sa.text("NOT sent"))


def _create_consents() -> None:
    op.create_table(
        "consents",
        *(_text("workspace", primary_key=True), _id("pseudonym", primary_key=True), _text("purpose", primary_key=True)),
        *(_flag("granted"), _big("position"), _big("decided_at"), _text("actor"), _text("method"), _text("notice")),
    )
    op.create_table(
        "restrictions",
        *(_text("workspace", primary_key=True), _id("pseudonym", primary_key=True), _text("request", primary_key=True)),
    )
    op.create_index("restrictions_request", "restrictions", ["workspace", "request"])
    op.create_table(
        "confirmed",
        *(_text("workspace", primary_key=True), _text("request", primary_key=True), _text("service", primary_key=True)),
        *(_big("position"), _big("at"), _text("counts")),
    )


def _create_people() -> None:
    op.create_table(
        "bindings",
        *(_id("binding", primary_key=True), _text("workspace"), _id("customer")),
        *(_text("kinds"), _big("events"), _big("first_position")),
        postgresql_with={"fillfactor": 70},
    )
    op.create_index("bindings_customer", "bindings", ["customer"])
    op.create_table("pseudonyms", _id("pseudonym", primary_key=True), _id("binding", primary_key=True))
    op.create_index("pseudonyms_binding", "pseudonyms", ["binding"])
    op.create_table(
        "erased", _text("workspace", primary_key=True), _id("pseudonym", primary_key=True), _text("request")
    )
    op.create_table(
        "erasures",
        *(_text("workspace", primary_key=True), _text("request", primary_key=True), _big("position"), _big("at")),
        *(_number("customers"), _number("bindings"), _number("pseudonyms")),
    )


def _create_requests() -> None:
    op.create_table(
        "requests",
        *(_text("workspace", primary_key=True), _text("request", primary_key=True), _number("partition")),
        *(_text("type"), _text("state"), _text("actor"), _text("seeds"), _flag("suppress"), _big("created_at")),
        *(_big("confirmed_at", nullable=True), _big("due_at", nullable=True), _big("cancelled_at", nullable=True)),
        *(_big("erasure_position", nullable=True), _text("summary"), _text("expected")),
    )
    op.create_index("requests_open", "requests", ["partition", "state"])


def downgrade() -> None:
    for table in ("requests", "erasures", "erased", "pseudonyms", "bindings"):
        op.drop_table(table)
    for table in ("confirmed", "restrictions", "consents", "confirmations", "positions"):
        op.drop_table(table)
