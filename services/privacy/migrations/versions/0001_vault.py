"""The vault: key tree, identifiers, bindings, the ledger of erasures."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_key_tree()
    _create_secrets()
    _create_ledger()
    op.create_table(
        "positions",
        sa.Column("consumer", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("log_id", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("out_log_id", sa.Text, nullable=False),
        sa.Column("out_position", sa.BigInteger, nullable=False),
    )


def _create_key_tree() -> None:
    op.create_table(
        "workspaces",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("suite", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("key_file", sa.Text, nullable=False),
        sa.Column("root_slot", sa.BigInteger, nullable=False),
        sa.Column("rotated_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "slot_counters",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("next", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "buckets",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("family", sa.Text, primary_key=True),
        sa.Column("start", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("slot", sa.BigInteger, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
    )
    op.create_index("buckets_by_epoch", "buckets", ["workspace", "epoch"])


def _create_secrets() -> None:
    op.create_table(
        "identifiers",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("pseudonym", sa.LargeBinary, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("bucket", sa.BigInteger, nullable=False),
        sa.Column("lookup", sa.LargeBinary, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_index("identifiers_by_lookup", "identifiers", ["workspace", "bucket", "lookup"], unique=True)
    op.create_table(
        "bindings",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("bucket", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("binding", sa.LargeBinary, primary_key=True),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "day_keys",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("slot", sa.BigInteger, nullable=False),
    )


def _create_ledger() -> None:
    op.create_table(
        "erasures",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("request", sa.Text, primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("bindings", sa.Integer, nullable=False),
        sa.Column("identifiers", sa.Integer, nullable=False),
        sa.Column("erased_at", sa.BigInteger),
        sa.Column("wiped_at", sa.BigInteger),
    )
    op.create_index(
        "erasures_unwiped",
        "erasures",
        ["workspace"],
        postgresql_where=sa.text("erased_at IS NOT NULL AND wiped_at IS NULL"),
    )
    op.create_table(
        "erased_bindings",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("binding", sa.LargeBinary, primary_key=True),
        sa.Column("request", sa.Text, nullable=False),
    )
    op.create_table(
        "suppressions",
        sa.Column("workspace", sa.Text, primary_key=True),
        sa.Column("lookup", sa.LargeBinary, primary_key=True),
        sa.Column("erased_at", sa.BigInteger, nullable=False),
    )


TABLES = (
    "workspaces",
    "slot_counters",
    "buckets",
    "identifiers",
    "bindings",
    "day_keys",
    "erasures",
    "erased_bindings",
    "suppressions",
    "positions",
)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
