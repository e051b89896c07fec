"""Migrations, demo data and the health check."""

import re

from alembic import command
from sqlalchemy import inspect, text

import db
from seed import seed


def test_the_app_is_healthy_on_a_migrated_database(client):
    """Health is a query that worked."""
    answer = client.get("/api/health")
    assert (answer.status_code, answer.json) == (200, {"status": "ok", "database": "ok"})


def test_without_its_tables_the_app_is_not_healthy(client, log_file):
    """503, and the traceback is in app.log."""
    with db.engine.begin() as connection:
        connection.execute(text("ALTER TABLE users RENAME TO lost"))
    answer = client.get("/api/health")
    assert (answer.status_code, answer.json) == (503, {"status": "error", "database": "error"})
    assert re.search(r"no such table: users|\"users\" does not exist", log_file.read_text())


def test_a_migration_behind_the_app_is_not_healthy(client, alembic):
    """The column is missed at once, and is back as it was after the migration."""
    before = inspect(db.engine).get_columns("users")
    db.engine.dispose()
    command.downgrade(alembic, "-1")
    assert client.get("/api/health").status_code == 503
    command.upgrade(alembic, "head")
    assert client.get("/api/health").status_code == 200
    assert str(inspect(db.engine).get_columns("users")) == str(before)


def test_the_models_are_what_the_migrations_make(client, alembic):
    """No model was changed without a migration."""
    command.check(alembic)


def test_the_migrations_can_be_taken_back(client, alembic):
    """Down to nothing and up again."""
    db.engine.dispose()
    command.downgrade(alembic, "base")
    assert inspect(db.engine).get_table_names() == ["alembic_version"]
    command.upgrade(alembic, "head")


def test_usernames_have_an_index_of_their_own(client):
    """The index of the login is unique and has a name."""
    (index,) = inspect(db.engine).get_indexes("users")
    assert (index["name"], index["unique"]) == ("ix_users_username", 1)


def test_seeding_twice_adds_nothing(client):
    """The fixture has seeded already."""
    assert seed() == []
