"""Migrations: an old ledger is opened with all it holds, and they make what the models say."""

from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from autoloop.core.letter import Letter
from autoloop.ledger.models import Base
from autoloop.ledger.outbox import Outbox
from autoloop.ledger.store import Ledger
from autoloop.ledger.trials import Trials


def test_a_ledger_of_the_first_version_keeps_what_it_has(tmp_path: Path) -> None:
    """And has the new tables."""
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    config, engine = Config(), create_engine(url)
    config.set_main_option("script_location", str(files("autoloop.ledger") / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(text("insert into apps values ('shop', '{\"every_s\": 5}', '2026')"))
    engine.dispose()
    book = Ledger(url)
    assert book.apps()["shop"]["every_s"] == 5
    Trials(book).save("shop", {}, True, 5)
    assert Outbox(book).put(Letter(id="l", about="i-1", subject="s", text="t", html="h"))
    book.engine.dispose()


def test_the_migrations_make_what_the_models_say(tmp_path: Path) -> None:
    """No table, column or index more or less."""
    book = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    with book.engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []
    book.engine.dispose()


def test_the_folder_of_a_ledger_is_its_owners(tmp_path: Path) -> None:
    """Beside it lie blocks with secrets, reports and the token."""
    Ledger(f"sqlite:///{tmp_path / 'home' / 'ledger.db'}").engine.dispose()
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
