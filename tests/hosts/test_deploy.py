"""Code is brought to a real host: only what changed, proved, or put back."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop.arena.errors import JudgeFailed
from autoloop.arena.hosts import Host
from autoloop.arena.product import Product

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
    product.register(APP, host, every_s=86400, hold_s=0.5, ready_s=8)
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


def sql(host: Host, statement: str) -> str:
    """One statement on the application's database."""
    connect = f"import sqlite3; c = sqlite3.connect('{DATA}')"
    script = f"{connect}; print(*[r[0] for r in c.execute('{statement}')]); c.commit()"
    done = host.inside(f'python3 -c "{script}"')
    assert done.ok, done.words
    return done.stdout.strip()
