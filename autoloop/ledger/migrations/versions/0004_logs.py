"""How far logs were read, and what was found in them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "log_offsets",
        sa.Column("owner", sa.String(96), primary_key=True),
        sa.Column("source", sa.String(512), primary_key=True),
        sa.Column("state", sa.JSON, nullable=False),
        sa.Column("updated", sa.String(32), nullable=False),
    )
    op.create_table(
        "log_findings",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("owner", sa.String(96), nullable=False, index=True),
        sa.Column("fingerprint", sa.String(32), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("first_seen", sa.String(32), nullable=False),
        sa.Column("last_seen", sa.String(32), nullable=False, index=True),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("handed", sa.String(32), nullable=False),
        sa.Column("incident", sa.String(32), nullable=False),
        sa.UniqueConstraint("owner", "fingerprint"),
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("log_findings", "log_offsets"):
        op.drop_table(name)
