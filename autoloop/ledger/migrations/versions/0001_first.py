"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "apps",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("about", sa.JSON, nullable=False),
        sa.Column("updated", sa.String(32), nullable=False),
    )
    op.create_table(
        "incidents",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("app", sa.String(64), nullable=False, index=True),
        sa.Column("state", sa.String(24), nullable=False, index=True),
        sa.Column("fingerprint", sa.String(16), nullable=False, index=True),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("diagnosis", sa.JSON),
        sa.Column("plan", sa.JSON),
        sa.Column("outcome", sa.JSON),
        sa.Column("opened", sa.String(32), nullable=False, index=True),
        sa.Column("ended", sa.String(32), nullable=False),
        sa.Column("flow_run", sa.String(36), nullable=False),
    )
    op.create_table(
        "transitions",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column(
            "incident", sa.String(32), sa.ForeignKey("incidents.id"), nullable=False, index=True
        ),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("state", sa.String(24), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("key", sa.String(128), nullable=False),
        sa.Column("incident", sa.String(32), nullable=False),
        sa.UniqueConstraint("actor", "key"),
    )
    op.create_table(
        "fences",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("number", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("fences", "idempotency_keys", "transitions", "incidents", "apps"):
        op.drop_table(name)
