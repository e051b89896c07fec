"""Work that is no error goes the same road: planned, backed up, proved, or put back."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop.arena.errors import JudgeFailed
from autoloop.arena.hosts import Host
from autoloop.arena.product import Product

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="throw-away hosts need root"),
]

APP, ENV = "changed", "/etc/lingzhi/lingzhi.env"
SECRET = "s3cret-of-this-test-0123456789abcdef"


@pytest.fixture(scope="module")
def care(host: Host, product: Product) -> Iterator[Product]:
    """An application under care."""
    product.register(APP, host, watch=False, every_s=86400, hold_s=0.5, ready_s=8)
    yield product
    product.unregister(APP)


def change(care: Product, *words: str, lines: str = "") -> Any:
    """One change, its JSON."""
    argv = [sys.executable, "-m", "autoloop.doors.cli", "change", *words, "--app", APP, "--json"]
    done = subprocess.run(
        argv, env=care.environment, input=lines, capture_output=True, text=True, timeout=240
    )
    if done.returncode:
        raise JudgeFailed("change", done.stderr + done.stdout, "see")
    return json.loads(done.stdout)


def process(host: Host) -> str:
    """The environment of the application's process."""
    pid = host.inside("systemctl show -p MainPID --value lingzhi").stdout.strip()
    return Path(f"{host.root}/proc/{pid}/environ").read_text()


def test_a_new_setting_is_what_the_process_has_and_the_good_state(
    care: Product, host: Host
) -> None:
    """Planned first; then the file, the process, and what repairs restore from."""
    planned = change(care, "--set", "JWT_TTL_S=1200", "--plan")
    assert planned["sets"][0]["after"] == "1200"
    assert "JWT_TTL_S=1200" not in process(host)
    assert change(care, "--set", "JWT_TTL_S=1200")["kept"]
    assert "JWT_TTL_S=1200" in process(host)
    assert host.inside(f"sed -i /^JWT_TTL_S=/d {ENV}; systemctl restart lingzhi").ok
    fixed = json.loads(care.command("fix", "--app", APP, "--error", "KeyError JWT_TTL_S", "--json"))
    assert fixed["state"] == "closed", fixed["timeline"]
    assert "JWT_TTL_S=1200" in process(host)


def test_a_setting_that_breaks_it_is_put_back(care: Product, host: Host) -> None:
    """With the reason."""
    before = Path(f"{host.root}{ENV}").read_bytes()
    with pytest.raises(JudgeFailed, match=r"was not proved|case health"):
        change(care, "--set", "JWT_TTL_S=soon")
    assert Path(f"{host.root}{ENV}").read_bytes() == before
    assert host.inside("curl -fsS -o /dev/null 127.0.0.1/api/health").ok


def test_a_secret_is_seen_by_nobody(care: Product, host: Host) -> None:
    """It reaches the file; it is in no log, result, artifact or database of the platform."""
    assert change(care, "--set", "SECRET_KEY=-", lines=f"{SECRET}\n")["kept"]
    assert SECRET in process(host)
    found = subprocess.run(
        ["grep", "-rlaF", SECRET, str(care.home)], capture_output=True, text=True, check=False
    )
    assert found.stdout == ""


def test_a_procedure_is_run_when_it_is_due(care: Product, host: Host) -> None:
    """A lost account comes back; the second time there is nothing to do."""
    database = "/srv/lingzhi/data/lingzhi_ecosystem.db"
    assert host.inside(f"sqlite3 {database} \"delete from users where username = 'admin'\"").ok
    done = change(care, "--run", "accounts")
    assert (done["kept"], done["ran"][0]["changed"]) == (True, ["admin"])
    again = change(care, "--run", "accounts")
    assert (again["kept"], again["ran"]) == (True, [])
