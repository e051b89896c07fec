"""What is too risky for a machine alone waits for a person, and nothing is changed before."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop.arena.errors import JudgeFailed
from autoloop.arena.hosts import Host
from autoloop.arena.image import APP as APP_SOURCE
from autoloop.arena.product import Product

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="throw-away hosts need root"),
]

APP, ENV = "careful", "/etc/lingzhi/lingzhi.env"


@pytest.fixture(scope="module")
def care(host: Host, product: Product) -> Iterator[Product]:
    """An application whose people want to be asked about everything."""
    product.register(APP, host, risk="none", watch=False, every_s=86400, hold_s=0.5)
    yield product
    product.unregister(APP)


def until(product: Product, incident: str, *states: str) -> dict[str, Any]:
    """The incident once it is in one of these states."""
    end = time.monotonic() + 90
    while time.monotonic() < end:
        record = product.incident(incident)
        if record["state"] in states:
            return record
        time.sleep(0.3)
    raise AssertionError(f"{record['state']}: {record['timeline']}")


def broken(care: Product, host: Host) -> tuple[str, bytes]:
    """A lost setting, and the incident that waits because of it; what is in the file now."""
    assert host.inside(f"sed -i /^JWT_TTL_S=/d {ENV}; systemctl restart lingzhi").ok
    incident = care.report(APP, "KeyError: 'JWT_TTL_S'")
    record = until(care, incident, "awaiting approval", "asked a person", "ignored", "closed")
    assert record["state"] == "awaiting approval", record["timeline"]
    return incident, Path(f"{host.root}{ENV}").read_bytes()


def test_approved_it_is_done(care: Product, host: Host) -> None:
    """Under the run that waited; who approved stands in the timeline."""
    incident, content = broken(care, host)
    time.sleep(2)
    assert Path(f"{host.root}{ENV}").read_bytes() == content
    told = json.loads(care.command("approve", incident, "--reason", "go on", "--json"))
    assert told == {"incident": incident, "approved": True}
    record = until(care, incident, "closed", "asked a person")
    assert record["state"] == "closed", record["timeline"]
    assert any("approved by" in row["reason"] for row in record["timeline"])
    assert b"JWT_TTL_S=" in Path(f"{host.root}{ENV}").read_bytes()


def test_rejected_nothing_is_done(care: Product, host: Host) -> None:
    """And it cannot be approved any more."""
    incident, content = broken(care, host)
    care.command("approve", incident, "--reject", "--reason", "at night")
    record = until(care, incident, "closed", "asked a person")
    assert record["state"] == "asked a person"
    assert Path(f"{host.root}{ENV}").read_bytes() == content
    with pytest.raises(JudgeFailed, match="decided"):
        care.command("approve", incident)


def deployed(care: Product, source: Path) -> str:
    """A deployment that waits; its name."""
    words = ("deploy", "--env", "test", "--from", str(source), "--json")
    argv = [sys.executable, "-m", "autoloop.doors.cli", *words]
    done = subprocess.run(argv, env=care.environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 3, done.stderr
    told = json.loads(done.stdout)
    assert told["state"] == "awaiting approval"
    return str(told["deployment"])


def test_a_deployment_waits_too(care: Product, host: Host, tmp_path: Path) -> None:
    """Its environment stands for its only application; rejected nothing changes, approved it is
    done; a second decision is refused."""
    shutil.copytree(APP_SOURCE, tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "app" / "NEW").write_text("new")
    there = Path(f"{host.root}/srv/lingzhi/app/NEW")
    rejected = deployed(care, tmp_path / "app")
    care.command("approve", rejected, "--reject", "--reason", "at night")
    approved = deployed(care, tmp_path / "app")
    assert not there.exists()
    care.command("approve", approved, "--reason", "go on")
    end = time.monotonic() + 90
    while not there.exists() and time.monotonic() < end:
        time.sleep(0.3)
    assert there.read_text() == "new"
    with pytest.raises(JudgeFailed, match="nothing waits"):
        care.command("approve", rejected)
