"""Code is brought to a real host: only what changed, proved, or put back."""

import hashlib
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop.arena.errors import JudgeFailed
from autoloop.arena.hosts import Host
from autoloop.arena.product import Product, app_document

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="throw-away hosts need root"),
]

APP = "shop"
CODE = "/srv/lingzhi/app"
DATA = "/srv/lingzhi/data/lingzhi_ecosystem.db"


@pytest.fixture(scope="module")
def care(host: Host, product: Product) -> Iterator[Product]:
    """The platform, with the host's application under care."""
    product.register(APP, host, watch=False, every_s=86400, hold_s=0.5, ready_s=8)
    yield product
    product.unregister(APP)


@pytest.fixture
def source(host: Host, tmp_path: Path) -> Path:
    """The code that is on the host, in a folder here."""
    script = f"tar -C {CODE} --exclude=__pycache__ -cf /tmp/code.tar ."
    assert host.inside(script).ok
    data = Path(f"{host.root}/tmp/code.tar").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    return tmp_path / "source"


def run(product: Product, *words: str) -> Any:
    """One command, its JSON."""
    return json.loads(product.command(*words, "--app", APP, "--json"))


def code(host: Host) -> str:
    """One hash over content, owner and mode of all code on the host."""
    files = f"cd {CODE} && find . -name __pycache__ -prune -o -type f -print0 | sort -z"
    listing = f"{files} | xargs -0 -I@ sh -c 'sha256sum @; stat -c %a:%u:%g @'"
    return hashlib.sha256(host.inside(listing).stdout.encode()).hexdigest()


def test_only_what_changed_travels(care: Product, host: Host, source: Path) -> None:
    """A changed, a new and a deleted file are counted; the same tree again changes nothing."""
    assert host.inside(f"echo x >{CODE}/OLD").ok
    with (source / "settings.py").open("a") as file:
        file.write("\nSECOND = True\n")
    (source / "NEW").write_text("new\n")
    planned = run(care, "deploy", "--from", str(source), "--plan")
    assert sorted(c["path"].rpartition("/")[2] for c in planned["changes"]) == [
        "NEW", "OLD", "settings.py",
    ]  # fmt: skip
    assert not Path(f"{host.root}{CODE}/NEW").exists()
    done = run(care, "deploy", "--from", str(source))
    assert (done["new"], done["modified"], done["deleted"], done["kept"]) == (1, 1, 1, True)
    again = run(care, "deploy", "--from", str(source))
    assert (again["new"], again["modified"], again["deleted"], again["kept"]) == (0, 0, 0, True)


def test_a_release_that_does_not_work_is_rolled_back(
    care: Product, host: Host, source: Path
) -> None:
    """Every byte, mode and owner is as before, and the application works."""
    before = code(host)
    (source / "app.py").write_text("this is no Python\n")
    with pytest.raises(JudgeFailed):
        run(care, "deploy", "--from", str(source))
    assert code(host) == before
    assert host.inside("curl -fsS -o /dev/null 127.0.0.1/api/health").ok


def test_back_to_the_release_before(care: Product, host: Host, source: Path) -> None:
    """rollback undoes the last deployment."""
    before = code(host)
    (source / "NEXT").write_text("next\n")
    assert run(care, "deploy", "--from", str(source))["kept"]
    assert code(host) != before
    assert run(care, "rollback")["kept"]
    assert code(host) == before


@pytest.mark.slow
def test_back_and_further_back(care: Product, host: Host, source: Path) -> None:
    """rollback again goes one further; what was chosen by a person in the settings stays."""
    states = [code(host)]
    for number in (1, 2):
        (source / "STEP").write_text(f"{number}\n")
        assert run(care, "deploy", "--from", str(source))["kept"]
        states.append(code(host))
    setting = "echo EXTRA=1 >>/etc/lingzhi/lingzhi.env"
    assert host.inside(setting).ok
    planned = run(care, "rollback", "--plan")
    assert [c["path"] for c in planned["changes"]] == [f"{CODE}/STEP"]
    assert code(host) == states[2]
    for state in (states[1], states[0]):
        assert run(care, "rollback")["kept"]
        assert code(host) == state
    assert "EXTRA=1" in Path(f"{host.root}/etc/lingzhi/lingzhi.env").read_text()
    newest = planned["backup"]
    assert run(care, "rollback", "--to", newest)["kept"]
    assert code(host) == states[1]
    assert newest in [row["id"] for row in run(care, "rollback", "--list")]


def test_five_backups_are_kept_and_whole(care: Product, host: Host, source: Path) -> None:
    """The newest five; every content is read again; a damaged one is told."""
    for number in range(6):
        (source / "COUNT").write_text(f"{number}\n")
        assert run(care, "deploy", "--from", str(source))["kept"]
    rows = run(care, "backups")
    assert len([row for row in rows if not row["good"]]) <= 5
    assert run(care, "backups", "--verify", rows[0]["id"])["broken"] == []


def test_a_backup_brings_the_database_back_too(care: Product, host: Host) -> None:
    """What was written since is gone when data is asked for, and only then."""
    backup = next(row["id"] for row in run(care, "backups") if not row["good"])
    assert sql(host, "create table later (x)") == ""
    assert run(care, "rollback", "--to", backup)["kept"]
    assert "later" in sql(host, "select name from sqlite_master")
    assert run(care, "rollback", "--to", backup, "--with-data")["kept"]
    assert "later" not in sql(host, "select name from sqlite_master")


MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    op.add_column("users", sa.Column("nickname", sa.String(40)))
    op.execute("update users set nickname = username")


def downgrade() -> None:
    op.drop_column("users", "nickname")
"""
COLUMNS = "select group_concat(name) from pragma_table_info(\\'users\\')"


def migrated(source: Path) -> None:
    """A release whose users have nicknames."""
    (source / "migrations/versions/0004_nicknames.py").write_text(MIGRATION)
    models = source / "models.py"
    column = "    nickname: Mapped[str | None] = mapped_column(String(40))\n"
    text = models.read_text().replace("    blocked: Mapped", f"{column}    blocked: Mapped", 1)
    models.write_text(text)
    assert "nickname" in text


def test_the_database_goes_back_with_the_code(care: Product, host: Host, source: Path) -> None:
    """The migration works, the release does not: schema, rows and code are as they were, and what
    was written during the proof is in a backup."""
    before, users = code(host), sql(host, "select count(*) from users")
    migrated(source)
    health = source / "routes/health.py"
    health.write_text(health.read_text().replace('"ok"', '"nearly"'))
    planned = run(care, "deploy", "--from", str(source), "--plan")
    [extra] = planned["extras"]
    assert (extra["name"], extra["saved"], extra["stands"]) == (
        "migrations", [DATA], ["lingzhi.service"],
    )  # fmt: skip
    with pytest.raises(JudgeFailed):
        run(care, "deploy", "--from", str(source))
    assert code(host) == before
    assert "nickname" not in sql(host, COLUMNS)
    assert sql(host, "select version_num from alembic_version") == "0003"
    assert sql(host, "select count(*) from users") == users
    assert host.inside("curl -fsS -o /dev/null 127.0.0.1/api/health").ok
    left = [row for row in run(care, "backups") if "before they were put back" in row["reason"]]
    assert list(left[0]["sqlite"]) == [DATA]


def test_the_database_goes_forward_with_the_code(care: Product, host: Host, source: Path) -> None:
    """Once; the next deployment finds nothing to migrate, and nothing stands still."""
    migrated(source)
    done = run(care, "deploy", "--from", str(source))
    assert (done["kept"], done["ran"][0]["changed"]) == (True, ["0004"])
    assert done["down_s"] > 0
    assert "nickname" in sql(host, COLUMNS)
    assert sql(host, "select count(*) from users where nickname = username") != "0"
    (source / "LATER").write_text("x")
    again = run(care, "deploy", "--from", str(source))
    assert (again["kept"], again["ran"], again["down_s"]) == (True, [], 0)


def wheel(host: Host, version: str) -> None:
    """A package with one module, where the host's packages come from."""
    info = f"shopextra-{version}.dist-info"
    parts = {
        "shopextra.py": f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: shopextra\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    parts[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*parts, f"{info}/RECORD"])
    path = f"{host.root}/var/cache/lingzhi/wheels/shopextra-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)


def environment(host: Host) -> str:
    """One hash over everything in the virtual environment."""
    files = "cd /srv/lingzhi/venv && find . -type f -print0 | sort -z | xargs -0 sha256sum"
    return hashlib.sha256(host.inside(files).stdout.encode()).hexdigest()


@pytest.mark.slow
def test_packages_come_and_go_with_the_code(care: Product, host: Host, source: Path) -> None:
    """Installed because the manifest changed; put back to the byte when the release fails."""
    wheel(host, "1.0")
    with (source / "requirements.txt").open("a") as file:
        file.write("shopextra==1.0\n")
    with (source / "app.py").open("a") as file:
        file.write("\nimport shopextra\n")
    before = code(host), environment(host)
    bad = source / "routes/health.py"
    good = bad.read_text()
    bad.write_text(good + "\nimport shopextra.nothing\n")
    with pytest.raises(JudgeFailed):
        run(care, "deploy", "--from", str(source))
    assert (code(host), environment(host)) == before
    bad.write_text(good)
    done = run(care, "deploy", "--from", str(source))
    assert done["kept"], done["why"]
    assert done["ran"][0]["changed"] == ["shopextra - → 1.0"]
    assert any("procedure packages" in check["name"] for check in done["proof"]["checks"])
    back = run(care, "rollback", "--plan")
    assert [extra["kind"] for extra in back["extras"]] == ["packages"]
    assert run(care, "rollback")["kept"]


ENV = "/etc/lingzhi/lingzhi.env"
DECLARED = {
    "rules": [
        {"path": "app.py", "defines": ["app"], "lacks": ["breakpoint("]},
        {"path": "routes/*.py", "parses": True},
    ],
    "expect": [
        {"file": ENV, "key": "JWT_TTL_S", "value": "1800", "correct": True},
        {"component": "app", "key": "JWT_TTL_S", "value": "1800"},
        {
            "sqlite": DATA,
            "query": "select role from users where username = 'admin'",
            "value": "admin",
            "correct": True,
            "set": "update users set role = 'admin' where username = 'admin'",
        },
    ],
}


@pytest.mark.slow
def test_what_is_declared_is_so_afterwards(care: Product, host: Host, source: Path) -> None:
    """A breach begins nothing; a setting and a row are put right by the deployment, and go back
    with it."""
    document = app_document(APP, host)
    document["deploy"] |= DECLARED
    document["health"] |= {"every_s": 86400, "hold_s": 0.5, "ready_s": 8}
    (care.home / "declared.json").write_text(json.dumps(document))
    care.command("register", str(care.home / "declared.json"))
    good = (source / "app.py").read_text()
    (source / "app.py").write_text(good + "\nbreakpoint()\n")
    before = code(host)
    with pytest.raises(JudgeFailed, match=r"app.py: contains 'breakpoint\('"):
        run(care, "deploy", "--from", str(source))
    (source / "app.py").write_text(good)
    health = (source / "routes/health.py").read_text()
    settings = Path(f"{host.root}{ENV}")
    as_it_was = settings.read_text()
    (source / "routes/health.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(JudgeFailed):
        run(care, "deploy", "--from", str(source))
    assert (code(host), settings.read_text()) == (before, as_it_was)
    (source / "routes/health.py").write_text(health)
    assert sql(host, "update users set role = \\'user\\' where username = \\'admin\\'") == ""
    planned = run(care, "deploy", "--from", str(source), "--plan")
    assert [c["path"] for c in planned["changes"]] == [ENV]
    done = run(care, "deploy", "--from", str(source))
    assert done["kept"], done["why"]
    assert "JWT_TTL_S=1800" in settings.read_text()
    assert [(ran["kind"], len(ran["changed"])) for ran in done["ran"]] == [("rows", 1)]
    names = [check["name"] for check in done["proof"]["checks"]]
    assert {"rules of the code", "value of app#JWT_TTL_S"} <= set(names)


def sql(host: Host, statement: str) -> str:
    """One statement on the application's database."""
    connect = f"import sqlite3; c = sqlite3.connect('{DATA}')"
    script = f"{connect}; print(*[r[0] for r in c.execute('{statement}')]); c.commit()"
    done = host.inside(f'python3 -c "{script}"')
    assert done.ok, done.words
    return done.stdout.strip()
