"""An application comes to a host that does not know it; then it is cared for as any other."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from autoloop.arena.hosts import Host, up
from autoloop.arena.image import APP as CODE
from autoloop.arena.image import Image, build
from autoloop.arena.killing import KillDrill
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


@contextmanager
def vacant(name: str) -> Iterator[Host]:
    """Debian with nginx, and wheels, as it reaches no index; nothing of the application."""
    image = build()
    wheels = image.layers[0] / "var/cache/lingzhi/wheels"
    with up(name, Image("sqlite", image.layers[1:])) as host:
        shutil.copytree(wheels, f"{host.root}/var/cache/lingzhi/wheels")
        yield host


@pytest.fixture(scope="module")
def empty() -> Iterator[Host]:
    """The host of all tests but the last."""
    with vacant("test-install") as host:
        yield host


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A platform of its own, with failpoints."""
    made = Product(tmp_path_factory.mktemp("install") / "home")
    KillDrill(made)
    with made:
        yield made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The code, which a test may spoil."""
    folder = tmp_path / "app"
    shutil.copytree(CODE, folder, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    return folder


def written(empty: Host, product: Product, **install: Any) -> Path:
    """Its autoloop.toml, with all that a first deployment needs, but for what is said."""
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
        "requires": ["SECRET_KEY", "DATABASE_URL"],
        **install,
    }
    path = product.home / "first.json"
    path.write_text(json.dumps(document))
    return path


def begun(product: Product, file: Path, source: Path, *words: str, secret: str = SECRET) -> Any:
    """One command, under way."""
    settings = product.home.with_name("settings.env")
    text = (SKELETON / "etc/lingzhi/lingzhi.env").read_text()
    settings.write_text(text.replace("throwaway-hosts-only-b7d1f0a94c3e58", secret))
    argv = [sys.executable, "-m", "autoloop.doors.cli", "install", str(file)]
    argv += ["--from", str(source), "--settings", str(settings), "--json", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(argv, env=product.environment, text=True, stdout=pipe, stderr=pipe)


def install(product: Product, file: Path, source: Path, *words: str) -> tuple[int, Any]:
    """One command to its end."""
    return ended(begun(product, file, source, *words))


def ended(process: Any) -> tuple[int, Any]:
    """Its exit code, and its JSON or what it complains of."""
    out, err = process.communicate(timeout=400)
    return process.returncode, json.loads(out) if out else err


def until(true: Callable[[], Any], seconds: float = 120) -> Any:
    """What *true* gives once it gives something."""
    end = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < end, true
        time.sleep(0.05)
    return found


def seen(host: Host) -> str:
    """Everything that the application could have left."""
    places = "/srv /etc/lingzhi /var/log/lingzhi /etc/systemd/system /etc/nginx"
    look = f"find {places} -printf '%p %y %m %u:%g %l\\n' | sort"
    look += "; getent passwd; getent group; systemctl is-active nginx lingzhi"
    look += "; systemctl show -p LoadState lingzhi; systemctl show -p InvocationID nginx"
    return host.inside(f"{look} 2>&1; true").stdout


def test_what_is_in_the_way_is_named_and_nothing_is_changed(
    empty: Host, product: Product, source: Path
) -> None:
    """An account and a port of others, a Python that is not there; a secret that nobody gave."""
    before = seen(empty)
    code, said = ended(begun(product, written(empty, product), source, secret=""))
    assert (code != 0, seen(empty)) == (True, before)
    assert "/etc/lingzhi/lingzhi.env lacks: SECRET_KEY has no value" in str(said)

    other = "systemd-run -q -u other python3 -m http.server 8080 --bind 127.0.0.1"
    assert empty.inside(f"useradd --system lingzhi; mkdir -p /srv/lingzhi/data; {other}").ok
    until(lambda: empty.inside("curl -fs -o /dev/null 127.0.0.1:8080").ok)
    taken = seen(empty)
    code, said = install(product, written(empty, product, python="python9"), source)
    assert (code != 0, seen(empty)) == (True, taken)
    for words in (
        "/srv/lingzhi/data is there already",
        "account lingzhi is there already",
        "port 8080 of app is taken by other.service",
        "python9 cannot make a virtual environment",
    ):
        assert words in str(said)
    assert empty.inside("systemctl stop other; userdel lingzhi; rm -r /srv/lingzhi").ok
    assert seen(empty) == before


def test_what_cannot_be_proved_leaves_no_trace(empty: Host, product: Product, source: Path) -> None:
    """Planned; then code that does not start, and a site that the front does not take: it serves
    others, and is not restarted."""
    before = seen(empty)
    code, plan = install(product, written(empty, product), source, "--plan")
    assert (code, plan["commands"][0][0]) == (0, "useradd")
    assert f"/{UNIT}" in [change["path"] for change in plan["changes"]]
    assert seen(empty) == before

    good = (source / "app.py").read_text()
    (source / "app.py").write_text("this is no Python\n")
    code, done = install(product, written(empty, product), source)
    assert (code, done["kept"]) == (1, False), done
    assert seen(empty) == before
    (source / "app.py").write_text(good)

    file = written(empty, product)
    file.write_text(file.read_text().replace("default_server;", "default_server; nonsense on;"))
    code, done = install(product, file, source)
    assert (code, done["kept"], "nonsense" in done["why"]) == (1, False, True), done
    assert seen(empty) == before
    assert empty.inside("nginx -t").ok


def test_a_run_that_never_comes_back_is_taken_away_by_the_next(
    empty: Host, product: Product, source: Path
) -> None:
    """Killed when all is in place and nothing proved. The next one begins with an empty host; it is
    killed twice itself, goes on, and then the application is as any other under care."""
    file, points = written(empty, product), product.home / "failpoints"
    point, reached = points / "place_install.after", points / "place_install.after.reached"
    before = seen(empty)
    point.touch()
    process = begun(product, file, source, secret="left")
    until(lambda: reached.exists() and reached.read_text())
    assert empty.inside("systemctl is-enabled lingzhi; id lingzhi").ok
    server = product.pids()["prefect"]
    asked = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
    [run] = httpx.post(f"{server}/api/flow_runs/filter", json=asked).json()
    state = {"state": {"type": "CANCELLED", "name": "Cancelled"}, "force": True}
    httpx.post(f"{server}/api/flow_runs/{run['id']}/set_state", json=state).raise_for_status()
    os.kill(int(reached.read_text()), signal.SIGKILL)
    reached.unlink()
    assert ended(process)[0] != 0
    assert seen(empty) != before
    asked = {"block_types": {"slug": {"any_": ["autoloop-wish"]}}}
    assert httpx.post(f"{server}/api/block_documents/filter", json=asked).json() == []

    point.touch()
    process = begun(product, file, source)
    until(lambda: empty.inside("pgrep -f 'm pip install'").ok)
    assert "left" not in Path(f"{empty.root}/etc/lingzhi/lingzhi.env").read_text()
    empty.inside("pkill -9 -f '[a]utoloop-agent$'")
    os.kill(int(until(lambda: reached.exists() and reached.read_text())), signal.SIGKILL)
    reached.unlink()
    code, done = ended(process)
    assert (code, done["kept"]) == (0, True), done
    assert done["backup"] in product.command("backups", "--app", "first")
    owners = "stat -c %U:%G:%a /srv/lingzhi/app/app.py /srv/lingzhi/data /etc/lingzhi/lingzhi.env"
    assert empty.inside(owners).stdout.split() == [
        "lingzhi:lingzhi:644", "lingzhi:lingzhi:755", "root:lingzhi:640",
    ]  # fmt: skip
    assert empty.inside("systemctl is-enabled lingzhi").stdout.strip() == "enabled"
    found = subprocess.run(["grep", "-rlaF", SECRET, str(product.home)], capture_output=True)
    assert found.stdout == b""

    code, said = install(product, file, source)
    assert (code != 0, "is under care already" in str(said)) == (True, True)

    assert empty.inside("systemctl stop lingzhi").ok
    words = ("fix", "--app", "first", "--error", "502 Bad Gateway", "--json")
    assert json.loads(product.command(*words))["state"] == "closed"
    assert empty.inside("systemctl is-active lingzhi").ok

    (source / "NEXT").write_text("x")
    words = ("deploy", "--app", "first", "--from", str(source), "--json")
    done = json.loads(product.command(*words))
    assert (done["kept"], done["new"], done["modified"]) == (True, 1, 0)
    product.unregister("first")


def test_one_that_was_approved_is_under_care_too(product: Product, source: Path) -> None:
    """Nothing is done before; nobody has to register it after."""
    with vacant("test-install-2") as host:
        file = written(host, product)
        document = json.loads(file.read_text()) | {"name": "second", "limits": {"risk": "low"}}
        file.write_text(json.dumps(document))
        before = seen(host)
        code, waits = install(product, file, source)
        assert (code, waits["state"], seen(host)) == (3, "awaiting approval", before)
        product.command("approve", waits["deployment"], "--reason", "go on")
        until(lambda: "second" in product.apps())
        assert host.inside("systemctl is-active lingzhi").ok
        schedules = f"{product.pids()['prefect']}/api/deployments/name/health/health"
        until(lambda: "second" in httpx.get(schedules).text)
        product.unregister("second")
