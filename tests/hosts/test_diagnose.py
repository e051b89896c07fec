"""What an error means on a live host, who notices it, and what words add; nothing is changed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from autoloop.arena.hosts import Host
from autoloop.arena.product import Product

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(os.geteuid() != 0, reason="throw-away hosts need root"),
]

APP = "told"
DATABASE = "/srv/lingzhi/data/lingzhi_ecosystem.db"


@pytest.fixture(scope="module")
def care(host: Host, product: Product) -> Iterator[Product]:
    """An application that nobody looks at but we."""
    product.register(APP, host, watch=False, every_s=86400, hold_s=0.5)
    yield product
    product.unregister(APP)


def ask(product: Product, *words: str) -> tuple[int, Any]:
    """One command with --json: its exit code, and the document."""
    argv = [sys.executable, "-m", "autoloop", *words, "--json"]
    done = subprocess.run(
        argv, env=product.environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode in (0, 3), done.stderr[-2000:]
    return done.returncode, json.loads(done.stdout)


def test_a_stopped_service_is_found_and_who_suffers_from_it(care: Product, host: Host) -> None:
    """The host outranks the text; the front's log tells of the users, not of our own looks."""
    assert ask(care, "diagnose", "502 Bad Gateway", "--app", APP)[1]["severity"] == "P2"
    for _ in range(5):
        assert httpx.get(f"http://{host.ip}/api/health").status_code == 200
    assert host.inside("systemctl stop lingzhi").ok
    for number in range(30):
        path = f"/api/users/{number}?token=hunter2"
        assert httpx.get(f"http://{host.ip}{path}").status_code == 502
    assert httpx.post(f"http://{host.ip}/api/login", json={}).status_code == 502
    _, found = ask(care, "diagnose", "Permission denied", "--app", APP)
    assert found["causes"][0]["name"] == "SERVICE.service_down"
    assert found["causes"][0]["component"] == "app"
    impact, traffic = found["impact"], found["impact"]["traffic"]
    assert (found["severity"], impact["components"]) == ("P0", ["app"])
    assert (traffic["failed"], traffic["writes_failed"]) == (31, 1)
    assert traffic["requests"] >= 36
    assert (traffic["clients"], traffic["clients_failed"]) == (1, 1)
    assert [row["name"] for row in traffic["endpoints"]] == ["GET /api/users/*", "POST /api/login"]
    assert traffic["last_good"] <= impact["since"] == traffic["since"]
    assert "hunter2" not in json.dumps(found)
    assert not host.inside("systemctl is-active lingzhi").ok
    assert host.inside("systemctl start lingzhi").ok


def test_words_name_what_only_a_log_shows(care: Product, host: Host) -> None:
    """The application's log says it too. A person is asked: no remedy is chosen by words alone,
    and nothing is changed."""
    other = "(select password_hash from users where username = 'admin')"
    lock = f"update users set password_hash = {other} where username = 'lan'"
    change = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); "
    argv = f'python3 -c "{change}c.commit()" {DATABASE} "{lock}"'
    assert host.inside(argv).ok
    told = ("--type", "登录", "--username", "lan", "--error", "用户名或密码错误")
    code, record = ask(care, "fix", "--app", APP, *told)
    top = record["diagnosis"]["causes"][0]
    assert (code, record["state"]) == (3, "asked a person")
    assert (top["name"], top["culprit"], top["component"]) == ("LOGIN.wrong_password", "lan", "app")
    sources = {e["source"] for e in top["evidence"] if e["verdict"] == "confirms"}
    assert {"log of lingzhi.service", "text, line 1"} <= sources, top
    assert record["diagnosis"]["impact"]["cases_failing"][0] == "login of a member"
    why = record["diagnosis"]["why_severe"]["en"]  # the requests of the test before, still counted
    assert (record["diagnosis"]["severity"], "of the requests fail" in why) == ("P0", True)
    assert record["outcome"] is None
