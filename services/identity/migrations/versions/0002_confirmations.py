"""The outbox of confirmed erasures (libs/common/confirming.py)."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "confirmations",
        sa.Column("request", sa.Text, primary_key=True),
        sa.Column("workspace", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
        sa.Column("noted_at", sa.BigInteger, nullable=False),
        sa.Column("sent", sa.Boolean, nullable=False),
    )
    op.create_index("confirmations_unsent", "confirmations", ["noted_at"], postgresql_where=sa.text("NOT sent"))


def downgrade() -> None:
    op.drop_table("confirmations")
