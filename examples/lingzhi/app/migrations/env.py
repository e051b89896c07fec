"""How alembic reaches the database of lingzhi: `alembic upgrade head` in the app's folder."""

from alembic import context

import db
import models

with db.engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=models.Base.metadata,
        render_as_batch=connection.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()
