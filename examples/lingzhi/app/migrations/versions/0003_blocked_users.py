"""Users can be blocked."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add `users.blocked`; nobody is."""
    blocked = sa.Column("blocked", sa.Boolean, nullable=False, server_default=sa.false())
    op.add_column("users", blocked)


def downgrade() -> None:
    """Drop it, and with it who was blocked."""
    op.drop_column("users", "blocked")
