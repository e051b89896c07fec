"""Is there something to put right? `python checks.py packages|migrations|accounts|passwords` changes nothing.

Exit code 0: no; 3: yes, and the last line says what; anything else: it could not be told.
"""

import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

DUE = 3
HERE = Path(__file__).parent


def packages() -> Iterator[str]:
    """Packages that the settings ask for and that are not installed in that version."""
    files = ["requirements.txt"]
    for scheme, name in (("postgresql", "postgres"), ("mysql", "mysql")):
        if os.environ["DATABASE_URL"].startswith(scheme):
            files.append(f"requirements-{name}.txt")
    for line in "\n".join((HERE / name).read_text() for name in files).splitlines():
        if pinned := re.fullmatch(r"([\w.-]+)(?:\[\w+\])?==(\S+)", line.strip()):
            name, wanted = pinned.groups()
            try:
                if version(name) != wanted:
                    yield name
            except PackageNotFoundError:
                yield name


def migrations() -> Iterator[str]:
    """Revisions that the database does not have yet."""
    from alembic.config import Config
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    import db

    script = ScriptDirectory.from_config(Config(HERE / "alembic.ini"))
    with db.engine.connect() as connection:
        now = MigrationContext.configure(connection).get_current_revision()
    for one in script.iterate_revisions(script.get_current_head(), now or "base"):
        yield one.revision


def accounts() -> Iterator[str]:
    """Accounts that the application cannot be without."""
    from sqlalchemy import text

    import db

    with db.engine.connect() as connection:
        found = connection.execute(text("select 1 from users where username = 'admin'")).first()
    if found is None:
        yield "admin"


def passwords() -> Iterator[str]:
    """Accounts that the application cannot be without, and that their password does not open."""
    from sqlalchemy import select

    from db import Session
    from models import User
    from security import password_matches
    from seed import ADMIN_PASSWORD

    with Session() as session:
        admin = session.scalar(select(User).where(User.username == "admin"))
    try:
        opens = admin is None or password_matches(ADMIN_PASSWORD, admin.password_hash)
    except ValueError:  # no hash at all
        opens = False
    if not opens:
        yield "admin"


CHECKS = {
    "packages": packages,
    "migrations": migrations,
    "accounts": accounts,
    "passwords": passwords,
}

if __name__ == "__main__":
    due = list(CHECKS[sys.argv[1]]())
    print(*due, sep="\n")
    sys.exit(DUE if due else 0)
