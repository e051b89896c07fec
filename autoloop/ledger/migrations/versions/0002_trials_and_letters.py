"""Runs of the cases, and letters to people."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "trials",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("app", sa.String(64), nullable=False, index=True),
        sa.Column("good", sa.Boolean, nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
    )
    op.create_table(
        "letters",
        sa.Column("id", sa.String(96), primary_key=True),
        sa.Column("about", sa.String(64), nullable=False),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("written", sa.String(32), nullable=False),
        sa.Column("due", sa.String(32), nullable=False, index=True),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("trouble", sa.Text, nullable=False),
        sa.Column("ended", sa.String(32), nullable=False, index=True),
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("letters", "trials"):
        op.drop_table(name)
