"""The app on a fresh, migrated and seeded SQLite database for each test."""

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
    DATABASE_URL=f"sqlite:///{_folder}/lingzhi.db",
    SECRET_KEY="only-for-tests-only-for-tests-only-for-tests",
    JWT_TTL_S="60",
    LINGZHI_LOG_DIR=str(_folder),
)
os.environ.pop("AGENT_MODEL_CONFIG", None)

from alembic import command  # noqa: E402
from alembic.config import Config  # noqa: E402

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
    command.upgrade(alembic, "head")
    seed()
    yield create_app().test_client()
    db.engine.dispose()
    (_folder / "lingzhi.db").unlink(missing_ok=True)


@pytest.fixture
def as_user(client: FlaskClient) -> Callable[[str], Headers]:
    """Log a demo user in by name; the headers to send along."""

    def log_in(username: str) -> Headers:
        password = ADMIN_PASSWORD if username == "admin" else USER_PASSWORD
        answer = client.post("/api/login", json={"username": username, "password": password})
        return {"Authorization": f"Bearer {answer.json['token']}"}

    return log_in
