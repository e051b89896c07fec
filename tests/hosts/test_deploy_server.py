"""A server's database goes back with the code by the undo of its procedure, and loses no row."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoloop.arena.errors import JudgeFailed
from autoloop.arena.hosts import Host, up
from autoloop.arena.image import APP as CODE
from autoloop.arena.image import build
from autoloop.arena.product import Product, app_document, as_the_app

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="throw-away hosts need root"),
]

WELL = "curl -fsS --retry 40 --retry-all-errors --retry-delay 1 -o /dev/null 127.0.0.1/api/health"
MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    op.add_column("users", sa.Column("nickname", sa.String(40)))


def downgrade() -> None:
    op.drop_column("users", "nickname")
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Host]:
    """A host whose application runs on PostgreSQL."""
    with up("test-deploy-pg", build("postgres")) as made:
        assert made.inside(WELL).ok
        yield made


def query(host: Host, text: str) -> str:
    """As the cluster's superuser."""
    command = f'cd /; runuser -u postgres -- psql -X -t -A -d lingzhi -c "{text}"'
    done = host.inside(command)
    assert done.ok, done.words
    return done.stdout.strip()


def test_the_schema_goes_forward_and_back(server: Host, product: Product, tmp_path: Path) -> None:
    """Not proved: downgraded with the new code, and a row of a user stays; then it is kept."""
    document = app_document("served", server)
    migrations = next(p for p in document["procedures"] if p["name"] == "migrations")
    migrations["undo"] = as_the_app("../venv/bin/alembic -q downgrade -1")
    document["deploy"]["migrate"] = "migrations"
    document["health"] |= {"every_s": 86400, "hold_s": 0.5, "ready_s": 8}
    (product.home / "served.json").write_text(json.dumps(document))
    product.command("register", str(product.home / "served.json"))
    source = tmp_path / "app"
    shutil.copytree(CODE, source, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    (source / "migrations/versions/0004_nicknames.py").write_text(MIGRATION)
    health = source / "routes/health.py"
    good = health.read_text()
    health.write_text(good.replace('"ok"', '"nearly"'))
    words = ("deploy", "--app", "served", "--from", str(source), "--json")
    people = query(server, "select count(*) from users")
    with pytest.raises(JudgeFailed):
        product.command(*words)
    assert query(server, "select version_num from alembic_version") == "0003"
    assert query(server, "select count(*) from users") == people
    assert server.inside(WELL).ok
    health.write_text(good)
    done = json.loads(product.command(*words))
    assert (done["kept"], done["ran"][0]["changed"]) == (True, ["0004"]), done["why"]
    assert query(server, "select version_num from alembic_version") == "0004"
    product.unregister("served")
