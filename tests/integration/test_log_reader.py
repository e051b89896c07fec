"""The log reader as it is used: on a host through a channel, and from the command line."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoloop.agent.channel import LocalChannel
from autoloop.core.errors import AgentLost, NotSettled
from autoloop.ledger.logbook import Logbook
from autoloop.ledger.store import Ledger
from autoloop.logs.reader import Keeper, There, only_reader
from autoloop.logs.remote import Far, program

pytestmark = pytest.mark.integration

OLD = Path("~/.pyenv/versions/3.6.15/bin/python").expanduser()
CLI = [sys.executable, "-m", "autoloop.doors.cli", "watch"]


def error(word: str) -> str:
    """A line with a mark and a word of its own."""
    return f"10:00:00 ERROR order {word} failed\n"


def wait_for(what: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.05)


class Watched:
    """A log that is read through a channel, and the logbook of what was found."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "shop.log"
        self.path.touch()
        self.book = Logbook(Ledger(f"sqlite:///{folder}/ledger.db"))
        self.held = threading.Event()
        self.held.set()
        self.lost: list[Exception] = []

    def start(self) -> There:
        keeper = Keeper(self.book, "files", told=lambda *_: None)
        inner = keeper.deliver

        def deliver(rows: Any, states: Any) -> Any:
            self.held.wait(20)
            return inner(rows, states)

        keeper.deliver = deliver  # type: ignore[method-assign]
        rows = [{"kind": "file", "path": str(self.path), "from_start": True}]
        self.channel: Any = None

        def connect(source: bytes) -> LocalChannel:
            self.channel = LocalChannel(source)
            return self.channel

        there = There(rows, keeper, connect)
        threading.Thread(target=self._run, args=(there,), daemon=True).start()
        wait_for(lambda: self.book.states("files"))
        return there

    def _run(self, there: There) -> None:
        try:
            there.run()
        except AgentLost as lost:
            self.lost.append(lost)

    def write(self, *words: str) -> None:
        with self.path.open("a") as out:
            out.write("".join(map(error, words)))

    def found(self) -> dict[str, int]:
        rows = self.book.found("files")
        return {row["text"].split("order ")[1].split()[0]: row["count"] for row in rows}


def test_a_host_sends_what_is_found_and_goes_on_after_it_was_killed(tmp_path: Path) -> None:
    """The reader there dies; the next one reads what is new, nothing twice."""
    watched = Watched(tmp_path)
    watched.start()
    watched.write("one")
    wait_for(lambda: watched.found() == {"one": 1})
    os.kill(watched.channel.pid, signal.SIGKILL)
    wait_for(lambda: watched.lost)
    watched.write("two")
    there = watched.start()
    wait_for(lambda: watched.found() == {"one": 1, "two": 1})
    there.close()


def test_a_host_reads_no_further_than_what_was_kept(tmp_path: Path) -> None:
    """While the platform is busy, the log waits; nothing is lost."""
    watched = Watched(tmp_path)
    there = watched.start()
    watched.held.clear()
    words = ["".join("ghjkmnpqrs"[int(d)] for d in str(n)) for n in range(12)]
    for word in words:
        watched.write(word)
        time.sleep(0.05)
    assert watched.found() == {}
    watched.held.set()
    wait_for(lambda: watched.found() == dict.fromkeys(words, 1))
    there.close()


@pytest.mark.skipif(not OLD.exists(), reason="no Python 3.6 here")
def test_it_runs_on_python_3_6(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest that a host may have; bytes that are no text arrive as they are."""
    monkeypatch.setattr(sys, "executable", str(OLD))
    path, rows = tmp_path / "shop.log", []
    path.write_bytes(b"10:00:00 ERROR \xff\xfe\n  at f (a.js:1:1)\n")
    far = Far(LocalChannel(program()), lambda found, _: rows.extend(found))
    asked = [{"kind": "file", "path": str(path), "from_start": True}]
    thread = threading.Thread(target=far.run, args=(asked, {}), daemon=True)
    thread.start()
    wait_for(lambda: rows)
    far.close()
    thread.join(5)
    assert rows[0].record.text == path.read_bytes()


def test_two_readers_of_the_same_are_one_too_many(tmp_path: Path) -> None:
    """They would count everything twice."""
    with only_reader(tmp_path, "shop"):
        with pytest.raises(NotSettled, match="another process"), only_reader(tmp_path, "shop"):
            pass
        with only_reader(tmp_path, "other"):
            pass
    with only_reader(tmp_path, "shop"):
        pass


def run(tmp_path: Path, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "AUTOLOOP_HOME": str(tmp_path / "home")}
    return subprocess.run(
        [*CLI, *words], input=text, capture_output=True, text=True, env=environment, timeout=60
    )


def test_the_command_reads_to_the_end_once(tmp_path: Path) -> None:
    """What was shown before is not shown again; no colour where there is no terminal."""
    path = tmp_path / "shop.log"
    path.write_text(error("one") + error("one") + "10:00:00 INFO 0 errors\n")
    said = run(tmp_path, "--once", str(path))
    assert said.returncode == 0
    head, record = said.stdout.splitlines()
    assert head.endswith("2 times")
    assert str(path) in head
    assert record == "    " + error("one").strip()
    assert "\x1b" not in said.stdout
    path.write_text(path.read_text() + error("one"))
    (row,) = map(json.loads, run(tmp_path, "--once", "--json", str(path)).stdout.splitlines())
    assert (row["count"], row["total"]) == (1, 3)
    assert {"class", "subtype", "fingerprint", "before", "after"} <= row.keys()


def test_the_command_reads_a_pipe_to_its_end(tmp_path: Path) -> None:
    """With a trace at its end that has no newline."""
    text = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\nValueError: no'
    said = run(tmp_path, "-", "--json", text=text)
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["text"] == text


def test_ctrl_c_ends_the_command_cleanly(tmp_path: Path) -> None:
    """How far was read is kept."""
    path = tmp_path / "shop.log"
    path.write_text(error("one"))
    environment = {**os.environ, "AUTOLOOP_HOME": str(tmp_path / "home")}
    process = subprocess.Popen([*CLI, str(path)], stdout=subprocess.PIPE, env=environment)
    assert process.stdout
    assert b"one" in process.stdout.readline() + process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    process.stdout.close()
    assert run(tmp_path, "--once", str(path)).stdout == ""


@pytest.mark.parametrize(
    ("words", "code"), [(["/nowhere/at.log"], 1), ([], 2), (["a.log", "--app", "shop"], 2)]
)
def test_the_command_says_what_it_cannot_do(tmp_path: Path, words: list[str], code: int) -> None:
    """In one line."""
    said = run(tmp_path, *words)
    assert said.returncode == code
    assert said.stderr
    assert "Traceback" not in said.stderr
