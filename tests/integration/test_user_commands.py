"""The commands that a new user types first, on an application of this machine."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop.arena.ports import free_port
from autoloop.arena.product import Product
from autoloop.platform.demo import script
from autoloop.platform.demo_app import document

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

IN_PYTHON = """
import autoloop
done = autoloop.fix({"type": "login", "error": "用户名或密码错误", "username": "admin"})
print(done.report)
assert done.state == done.report["incident"]["state"] == "ignored"
assert done.report["incident"]["fields"] == {"type": "LOGIN", "username": "admin"}
"""


class User:
    """Somebody in a shell, with the demo's application under care."""

    def __init__(self, folder: Path) -> None:
        self.product = Product(folder / "home")
        self._root = folder / "demo"
        facts = json.loads(self._application("up", "--port", str(free_port())))
        file = folder / "app.json"
        file.write_text(json.dumps(document(facts, str(folder / "agent"))))
        done = self.type("register", str(file))
        assert done.stdout.startswith("lingzhi is under care"), done.stderr

    def _application(self, verb: str, *words: str) -> str:
        argv = [sys.executable, str(script()), verb, str(self._root), *words]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout.splitlines()[-1]

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        """``autoloop`` and these words."""
        return self.python("-m", "autoloop", *words)

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A Python program with the user's environment."""
        return subprocess.run(
            [sys.executable, *words],
            env=self.product.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def leave(self) -> None:
        """Stop everything."""
        self.product.stop()
        self._application("down")


@pytest.fixture(scope="module")
def user() -> Iterator[User]:
    """See `User`."""
    with tempfile.TemporaryDirectory(prefix="user-", dir="/tmp") as folder:
        made = User(Path(folder))
        yield made
        made.leave()


def said(done: Any) -> str:
    """What it printed, when it went well."""
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stderr == ""
    return str(done.stdout)


def everything(user: User) -> None:
    """The commands that users know, from the shell and from Python."""
    words = ("--type", "login", "--username", "admin", "--error", "密码错误")
    first, second = said(user.type("fix", *words)).splitlines()
    assert "lingzhi  ignored  NONE.benign" in first
    assert "3 cases: 3 pass" in said(user.type("test", "--all"))
    told = said(user.python("-c", IN_PYTHON))
    assert told.startswith("# lingzhi: NONE.benign — nothing to repair")
    assert "case 'login' logs in as admin, and passes" in told
    told = said(user.type(*second.split()[1:], "--lang", "zh"))
    assert told.startswith("# lingzhi: NONE.benign — 无需修复")


def test_without_a_platform_each_is_one_for_its_run(user: User) -> None:
    """Nothing has to be started first."""
    everything(user)


@pytest.mark.slow
def test_a_running_platform_does_the_same(user: User) -> None:
    """The same words, the same answers."""
    user.product.start()
    everything(user)
