"""Logs of a real host: files that logrotate turns, and the journal, read over SSH."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop.agent.channel import open_channel
from autoloop.arena.hosts import Host
from autoloop.core.app import HostSpec
from autoloop.ledger.logbook import Logbook
from autoloop.ledger.store import Ledger
from autoloop.logs.reader import Keeper, There

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.skipif(os.geteuid() != 0, reason="throw-away hosts need root"),
]

LOG = "/var/log/lingzhi/app.log"
SOURCES: list[dict[str, Any]] = [
    {"kind": "file", "path": LOG},
    {"kind": "journal", "units": ["shout.service"]},
]


class Watched:
    """The logs of *host*, read over SSH until the test ends."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host = host
        self.book = Logbook(Ledger(f"sqlite:///{folder}/ledger.db"))
        self.reader: There | None = None

    def start(self) -> None:
        """Connect, and wait until it reads."""
        login = HostSpec(
            address=self.host.ip,
            known_hosts=self.host.known_hosts,
            identity_file=str(self.host.login_key),
        )
        keeper = Keeper(self.book, "files")
        self.reader = There(SOURCES, keeper, lambda source: open_channel(login, source=source))
        threading.Thread(target=self.reader.run, daemon=True).start()
        wait_for(lambda: len(self.book.states("files")) == 2)

    def stop(self) -> None:
        """End the connection."""
        if self.reader is not None:
            self.reader.close()

    def counts(self) -> dict[str, int]:
        """How often each order was found."""
        rows = self.book.found("files")
        return {
            r["text"].split("order ")[1].split()[0]: r["count"]
            for r in rows
            if "order" in r["text"]
        }

    def shell(self, script: str) -> None:
        """Run it on the host."""
        assert self.host.inside(script).ok


def wait_for(what: Callable[[], Any], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.1)


@pytest.fixture
def watched(host: Host, tmp_path: Path) -> Iterator[Watched]:
    """Its logs, being read."""
    made = Watched(host, tmp_path)
    made.start()
    yield made
    made.stop()


def line(word: str) -> str:
    return f"echo '10:00:00 ERROR order {word} failed' >>{LOG}"


def test_logrotate_loses_and_repeats_nothing(watched: Watched) -> None:
    """By copytruncate, as the host is set up; also what was written while nobody was connected."""
    watched.shell(line("one"))
    wait_for(lambda: watched.counts() == {"one": 1})
    watched.shell(f"{line('two')}; logrotate -f /etc/logrotate.d/lingzhi; {line('three')}")
    wait_for(lambda: watched.counts() == {"one": 1, "two": 1, "three": 1})
    watched.stop()
    watched.shell(
        f"{line('four')}; sleep 0.1; logrotate -f /etc/logrotate.d/lingzhi; {line('five')}; "
        f"sleep 0.1; logrotate -f /etc/logrotate.d/lingzhi; {line('six')}"
    )
    watched.start()
    words = ("one", "two", "three", "four", "five", "six")
    wait_for(lambda: watched.counts() == dict.fromkeys(words, 1))


def test_a_trace_in_the_journal_is_one_finding(watched: Watched) -> None:
    """A service that dies writes it line by line; a later connection goes on at the cursor."""
    shout = "systemd-run --quiet --wait --collect --unit=shout python3 -c"
    watched.shell(f"{shout} 'import nothing_of_that_name' || true")

    def texts() -> list[str]:
        return [r["text"] for r in watched.book.found("files") if "Traceback" in r["text"]]

    wait_for(texts)
    assert len(texts()) == 1
    assert texts()[0].endswith("ModuleNotFoundError: No module named 'nothing_of_that_name'")
    watched.stop()
    watched.shell(f"{shout} 'print(1 / 0)' || true")
    watched.start()
    wait_for(lambda: len(texts()) == 2)
    assert [row["count"] for row in watched.book.found("files") if row["text"] in texts()] == [1, 1]


def test_a_journalctl_that_ends_is_told_of_and_started_again(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    """With its exit code and what it complained of; then the journal is read as before."""
    stub = "#!/bin/sh\\necho cannot open the journal >&2\\nexit 4\\n"
    path = "/usr/local/bin/journalctl"
    watched.shell(f"printf '{stub}' >{path} && chmod 755 {path} && kill $(pgrep -x journalctl)")
    wait_for(lambda: "journalctl was ended by signal 15; it is started again" in caplog.text)
    wait_for(lambda: "journalctl exited with code 4 (cannot open the journal)" in caplog.text)
    watched.shell(
        f"rm {path}; systemd-run --quiet --wait --collect --unit=shout python3 -c 1/0 || true"
    )
    wait_for(lambda: any("ZeroDivision" in row["text"] for row in watched.book.found("files")))


def test_what_runs_there_is_gone_with_the_connection(watched: Watched) -> None:
    """Nothing is left: neither the reader nor its journalctl."""
    assert watched.host.inside("pgrep -f 'journalctl.*--follow'").ok
    watched.stop()
    wait_for(lambda: not watched.host.inside("pgrep -f 'journalctl.*--follow'").ok)
    assert not watched.host.inside("pgrep -f [a]utoloop-agent").ok
