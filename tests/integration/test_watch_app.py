"""``autoloop watch --app``: the reader of an application, and who looks on."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoloop.ledger.logbook import Logbook
from autoloop.ledger.store import Ledger

pytestmark = pytest.mark.integration

WATCH = """
import sys
from autoloop.core.app import parse_app
from autoloop.doors import client, watching
from blocks.app import App
spec = parse_app({
    "name": "shop",
    "components": [{"name": "app", "unit": "app", "manager": "supervisord", "logs": [sys.argv[1]]}],
    "cases": [{"name": "up", "url": "http://127.0.0.1:1/"}],
}, "test")
App.load = classmethod(lambda cls, name: App.of(spec))
client.use_prefect = lambda: None
watching.watch_app("shop", True, False)
"""


def test_one_reads_and_hands_in_another_looks_on(tmp_path: Path) -> None:
    """Both say what is found; it is counted once, and opens one incident."""
    path, home = tmp_path / "shop.log", tmp_path / "home"
    path.touch()
    ledger = Ledger(f"sqlite:///{home}/ledger.db")
    ledger.save_app("shop", {"environment": "test"})
    environment = {**os.environ, "AUTOLOOP_HOME": str(home)}
    argv = [sys.executable, "-c", WATCH, str(path)]
    watches = []
    try:
        for number in range(2):
            with (tmp_path / f"out{number}").open("wb") as out:
                watches.append(
                    subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT, env=environment)
                )
            if number == 0:
                wait_for(lambda: Logbook(ledger).states("shop"))
        wait_for(lambda: b"the platform watches shop" in (tmp_path / "out1").read_bytes())
        with path.open("a") as log:
            log.write("10:00:00 ERROR database is locked\n" * 3)
        wait_for(lambda: [total(tmp_path / f"out{number}") for number in range(2)] == [3, 3])
    finally:
        for watch in watches:
            watch.send_signal(signal.SIGINT)
    assert [watch.wait(20) for watch in watches] == [0, 0]
    (incident,) = ledger.records("shop")
    assert (incident["source"], incident["events"]) == ("log", 3)


def total(path: Path) -> int:
    """The counts of all findings that were told there."""
    lines = [line for line in path.read_text().splitlines() if line.startswith("{")]
    return sum(json.loads(line)["count"] for line in lines)


def wait_for(what: Callable[[], Any], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.1)
