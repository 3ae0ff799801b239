"""When people decided: an older decision that arrives later undoes nothing."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("consents", sa.Column("decided_at", sa.BigInteger, nullable=False, server_default="0"))
    op.alter_column("consents", "decided_at", server_default=None)


def downgrade() -> None:
    op.drop_column("consents", "decided_at")
