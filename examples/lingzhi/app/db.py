"""The database: one engine from DATABASE_URL (SQLite, PostgreSQL or MySQL) and its sessions."""

from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.orm import sessionmaker

import settings

_url = make_url(settings.DATABASE_URL)
_is_sqlite = _url.get_backend_name() == "sqlite"

engine = create_engine(
    _url,
    pool_pre_ping=True,
    hide_parameters=True,  # an error in the log must not show password hashes or messages
    connect_args={"timeout": 5} if _is_sqlite else {"connect_timeout": 5},
)
Session = sessionmaker(engine, expire_on_commit=False)

if _is_sqlite:

    @event.listens_for(engine, "connect")
    def enforce_foreign_keys(connection: Any, _record: Any) -> None:
        """SQLite checks foreign keys only when asked, once a connection."""
        connection.execute("PRAGMA foreign_keys = ON")
