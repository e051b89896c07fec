"""What diagnoses were made from, and what came of repairs."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "sights",
        sa.Column("incident", sa.String(32), sa.ForeignKey("incidents.id"), primary_key=True),
        sa.Column("app", sa.String(64), nullable=False, index=True),
        sa.Column("at", sa.String(32), nullable=False, index=True),
        sa.Column("body", sa.JSON, nullable=False),
    )
    op.create_table(
        "outcomes",
        sa.Column("incident", sa.String(32), sa.ForeignKey("incidents.id"), primary_key=True),
        sa.Column("attempt", sa.Integer, primary_key=True),
        sa.Column("app", sa.String(64), nullable=False, index=True),
        sa.Column("cause", sa.String(64), nullable=False),
        sa.Column("probe", sa.String(64), nullable=False),
        sa.Column("cured", sa.Boolean, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("outcomes", "sights"):
        op.drop_table(name)
