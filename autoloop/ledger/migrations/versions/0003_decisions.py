"""What a person decided about a plan."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the column."""
    op.add_column("incidents", sa.Column("decision", sa.JSON, nullable=True))
