"""The app on a fresh, migrated and seeded database for each test.

SQLite, or the PostgreSQL database that TEST_DATABASE_URL names; all that is in it is lost.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

# The settings are read at import, so they come first.
_folder = Path(tempfile.mkdtemp(prefix="lingzhi-tests-"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
os.environ.update(
    DATABASE_URL=os.environ.get("TEST_DATABASE_URL", f"sqlite:///{_folder}/lingzhi.db"),
    SECRET_KEY="only-for-tests-only-for-tests-only-for-tests",
    JWT_TTL_S="60",
    LINGZHI_LOG_DIR=str(_folder),
)
os.environ.pop("AGENT_MODEL_CONFIG", None)

from alembic import command  # noqa: E402
from alembic.config import Config  # noqa: E402
from sqlalchemy import text  # noqa: E402

import db  # noqa: E402
from app import create_app  # noqa: E402
from seed import ADMIN_PASSWORD, USER_PASSWORD, seed  # noqa: E402

APP = Path(__file__).parents[1]
Headers = dict[str, str]


@pytest.fixture
def alembic() -> Config:
    """The configuration of the migrations."""
    return Config(APP / "alembic.ini")


@pytest.fixture
def log_file() -> Path:
    """The application's log."""
    return _folder / "app.log"


@pytest.fixture
def client(alembic: Config) -> Iterator[FlaskClient]:
    """A client of the app on a new database with the demo data in it."""
    _empty()
    command.upgrade(alembic, "head")
    seed()
    yield create_app().test_client()
    db.engine.dispose()
    _empty()


def _empty() -> None:
    """Leave nothing in the database."""
    if db.engine.dialect.name == "sqlite":
        (_folder / "lingzhi.db").unlink(missing_ok=True)
        return
    with db.engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))


@pytest.fixture
def as_user(client: FlaskClient) -> Callable[[str], Headers]:
    """Log a demo user in by name; the headers to send along."""

    def log_in(username: str) -> Headers:
        password = ADMIN_PASSWORD if username == "admin" else USER_PASSWORD
        answer = client.post("/api/login", json={"username": username, "password": password})
        return {"Authorization": f"Bearer {answer.json['token']}"}

    return log_in
