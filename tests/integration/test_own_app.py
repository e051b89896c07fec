"""The tutorial, typed as it stands: an application that knows nothing of us, broken and repaired.

Every command is one that ``docs/tutorials/django-postgresql.md`` has; only ports, and the platform
that is started here, are the test's own.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from autoloop.arena.ports import free_port
from autoloop.arena.processes import wait_until
from autoloop.arena.product import Product

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not POSTGRES, reason="PostgreSQL's programs are missing: postgresql"),
]

ROOT = Path(__file__).parents[2]
TUTORIAL = (ROOT / "docs/tutorials/django-postgresql.md").read_text("utf-8")
REPAIRED_S = 150.0
SEEN = ("etc", "code", "bin", "data/postgresql.conf", "data/pg_hba.conf")


def commands(*numbers: int) -> list[str]:
    """The blocks that a reader types in these sections."""
    sections = re.split(r"^## \d+\. ", TUTORIAL, flags=re.M)
    text = "".join(sections[number] for number in numbers)
    return re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S)


BREAKING = commands(5)


class Shop:
    """The tutorial's folder, and the shell in which it is typed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "shop"
        self.product = Product(folder / "home")
        self.port = str(free_port())
        programs = f"{os.environ['PATH']}:{Path(sys.executable).parent}"
        ports = {"DATABASE_PORT": str(free_port()), "APP_PORT": self.port}
        self.environment = {**self.product.environment, **ports, "PATH": programs}

    def type(self, script: str, where: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Have a shell do *script*, in the application's folder."""
        return subprocess.run(
            ["sh", "-euc", script],
            cwd=where or self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    def make(self) -> str:
        """Type everything up to the look that changes nothing; what that said."""
        done = self.type("".join(commands(1, 2, 3)), self.folder.parent)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    def take_down(self) -> None:
        """Stop what was started, whatever came of it."""
        control = "venv/bin/supervisorctl -c etc/supervisord.conf"
        self.type(f"{control} shutdown && while {control} pid; do sleep 0.1; done")

    def ended(self, known: set[str]) -> dict[str, Any]:
        """The first incident that is not *known*, at its end."""
        end, seen = time.monotonic() + REPAIRED_S, []
        while time.monotonic() < end:
            seen = [r for r in self.product.incidents("shop") if r["id"] not in known]
            if seen and seen[-1]["ended"]:
                return seen[-1]
            time.sleep(0.3)
        raise AssertionError(f"not ended after {REPAIRED_S:g} s: {seen}")

    def state(self) -> dict[str, tuple[str, int, int]]:
        """Content, mode and owner of everything that people wrote."""
        found = {}
        for root in (self.folder / name for name in SEEN):
            for path in [root, *root.rglob("*")]:
                if path.is_file() and "__pycache__" not in path.parts:
                    content, about = hashlib.sha256(path.read_bytes()).hexdigest(), path.stat()
                    name = str(path.relative_to(self.folder))
                    found[name] = (content, about.st_mode, about.st_uid)
        return found

    def answer(self) -> tuple[int, str]:
        """What the health view says now."""
        reply = httpx.get(f"http://127.0.0.1:{self.port}/health/", timeout=10)
        return reply.status_code, reply.text


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """The tutorial up to the application being under care."""
    with tempfile.TemporaryDirectory(prefix="own-app-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL's files may belong to another user
        made = Shop(Path(folder))
        try:
            with ThreadPoolExecutor(1) as pool:
                making = pool.submit(made.make)
                made.product.start()
                said = making.result()
            assert said.count("✔") == 6 and "✘" not in said, said
            taken = made.type("".join(commands(4)))
            assert taken.stdout.startswith("shop is under care; good state "), taken.stderr
            yield made
        finally:
            made.take_down()
            made.product.stop()


@pytest.mark.parametrize(
    ("number", "cause", "culprit", "component", "remedy"),
    [
        (0, "SERVICE.service_down", "db", "db", "start_service"),
        (1, "CONFIG.env_missing", "DATABASE_NAME", "app", "restore_setting"),
        (2, "CODE.syntax_error", "catalog/views.py:7", "app", "restore_code"),
        (3, "DATABASE.schema_mismatch", "catalog.0001_initial", "app", "run_procedure"),
    ],
    ids=["database-stopped", "setting-lost", "code-broken", "migration-pending"],
)
def test_it_is_noticed_repaired_and_proved(
    shop: Shop, number: int, cause: str, culprit: str, component: str, remedy: str
) -> None:
    """The cause is the right one, the application is well, and nothing else has changed."""
    before, known = shop.state(), {r["id"] for r in shop.product.incidents("shop")}
    assert shop.answer() == (200, '{"status": "ok", "products": 0}')
    shop.type(f"set +e\n{BREAKING[number]}")
    record = shop.ended(known)
    top = record["diagnosis"]["causes"][0]
    assert (top["name"], top["culprit"], top["component"]) == (cause, culprit, component)
    assert record["state"] == "closed"
    assert record["source"] in ("health", "log")  # noticed by itself, whichever was first
    assert (record["outcome"]["remedy"], record["outcome"]["kept"]) == (remedy, True)
    proved = {c["name"] for c in record["outcome"]["proof"]["checks"] if c["passed"]}
    assert {"case health", "case admin's login page", "db serves", "app serves"} <= proved
    assert shop.answer() == (200, '{"status": "ok", "products": 0}')
    assert shop.type("bin/migrations-due").returncode == 0
    assert shop.state() == before


def test_what_the_reader_is_shown_is_what_is_seen(shop: Shop) -> None:
    """The lines of `autoloop incidents` are those of the tutorial; then it ends as it says."""
    shown = re.findall(r"^i-[0-9a-f]+  (shop  closed .*)$", TUTORIAL, re.M)
    said = shop.type("autoloop incidents").stdout
    seen = re.findall(r"^i-[0-9a-f]+  (shop  closed .*)$", said, re.M)
    assert len(shown) == len(BREAKING) and set(shown) == set(seen)
    ending = shop.type("".join(commands(6)))
    assert ending.returncode == 0, ending.stderr
    assert wait_until(lambda: not (shop.folder / "run/supervisord.pid").exists(), 30, 0.2)
    with pytest.raises(httpx.ConnectError):
        shop.answer()
