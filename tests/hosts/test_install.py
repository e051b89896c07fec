"""An application comes to a host that does not know it; then it is deployed to as any other."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop.arena.hosts import Host, up
from autoloop.arena.image import APP as CODE
from autoloop.arena.image import Image, build
from autoloop.arena.product import Product, app_document

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.geteuid() != 0, reason="throw-away hosts need root"),
]

SKELETON = Path(__file__).parents[2] / "autoloop" / "arena" / "skeleton"
UNIT, SITE = "etc/systemd/system/lingzhi.service", "etc/nginx/sites-available/lingzhi"
LINK, DEFAULT = "/etc/nginx/sites-enabled/lingzhi", "/etc/nginx/sites-enabled/default"
FRONT = """server {
    listen 80 default_server;
    location / { proxy_pass http://127.0.0.1:8080; }
}
"""
SECRET = "first-secret-0123456789abcdef"


@pytest.fixture(scope="module")
def empty() -> Iterator[Host]:
    """Debian with nginx, and wheels, as it reaches no index; nothing of the application."""
    image = build()
    wheels = image.layers[0] / "var/cache/lingzhi/wheels"
    with up("test-install", Image("sqlite", image.layers[1:])) as host:
        shutil.copytree(wheels, f"{host.root}/var/cache/lingzhi/wheels")
        yield host


@pytest.fixture
def file(empty: Host, product: Product) -> Path:
    """Its autoloop.toml, with all that a first deployment needs."""
    document = app_document("first", empty)
    document["health"] |= {"every_s": 86400, "hold_s": 0.5, "ready_s": 15}
    document["deploy"]["data"] = ["accounts"]
    document["install"] = {
        "user": "lingzhi",
        "folders": ["/srv/lingzhi/data", "/var/log/lingzhi"],
        "files": [
            {"path": f"/{UNIT}", "content": (SKELETON / UNIT).read_text()},
            {"path": f"/{SITE}", "content": FRONT},
            {"path": LINK, "link": f"/{SITE}"},
            {"path": DEFAULT, "absent": True},
        ],
        "enable": ["lingzhi.service"],
    }
    path = product.home / "first.json"
    path.write_text(json.dumps(document))
    return path


def install(product: Product, file: Path, source: Path, *words: str) -> tuple[int, Any]:
    """One command; its exit code and its JSON."""
    settings = (SKELETON / "etc/lingzhi/lingzhi.env").read_text()
    settings = settings.replace("throwaway-hosts-only-b7d1f0a94c3e58", SECRET)
    argv = [sys.executable, "-m", "autoloop.doors.cli", "install", str(file)]
    argv += ["--from", str(source), "--settings", "-", "--json", *words]
    done = subprocess.run(
        argv, env=product.environment, input=settings, capture_output=True, text=True, timeout=400
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def seen(host: Host) -> str:
    """Everything that the application could have left."""
    places = "/srv /etc/lingzhi /var/log/lingzhi /etc/systemd/system /etc/nginx"
    look = f"find {places} -printf '%p %y %m %u:%g %l\\n' | sort"
    look += "; getent passwd; getent group; systemctl is-active nginx lingzhi"
    return host.inside(f"{look} 2>&1; true").stdout


def test_it_comes_whole_or_not_at_all(
    empty: Host, product: Product, file: Path, tmp_path: Path
) -> None:
    """Planned; taken away without a trace when its code does not work; then installed, registered
    and deployed to; the secret is seen by nobody."""
    source = tmp_path / "app"
    shutil.copytree(CODE, source, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    before = seen(empty)
    code, plan = install(product, file, source, "--plan")
    assert (code, plan["new_user"]) == (0, True)
    assert f"/{UNIT}" in [change["path"] for change in plan["changes"]]
    assert seen(empty) == before

    good = (source / "app.py").read_text()
    (source / "app.py").write_text("this is no Python\n")
    code, done = install(product, file, source)
    assert (code, done["kept"]) == (1, False)
    assert seen(empty) == before

    (source / "app.py").write_text(good)
    code, done = install(product, file, source)
    assert (code, done["kept"]) == (0, True), done["why"]
    owners = "stat -c %U:%G:%a /srv/lingzhi/app/app.py /srv/lingzhi/data /etc/lingzhi/lingzhi.env"
    assert empty.inside(owners).stdout.split() == [
        "lingzhi:lingzhi:644", "lingzhi:lingzhi:755", "root:lingzhi:640",
    ]  # fmt: skip
    assert empty.inside("systemctl is-enabled lingzhi").stdout.strip() == "enabled"
    assert SECRET in Path(f"{empty.root}/etc/lingzhi/lingzhi.env").read_text()
    found = subprocess.run(["grep", "-rlaF", SECRET, str(product.home)], capture_output=True)
    assert found.stdout == b""

    (source / "NEXT").write_text("x")
    words = ("deploy", "--app", "first", "--from", str(source), "--json")
    assert json.loads(product.command(*words))["kept"]
    product.unregister("first")
