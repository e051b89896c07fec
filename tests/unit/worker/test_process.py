"""Processes are known for good, and die with what they started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from autoloop.worker.process import ProcessId, members


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process of its own group, with a child in it."""
    code = "import subprocess; subprocess.Popen(['sleep', '60']); print(flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        process.stdout.readline()
        yield process
        process.kill()


def test_it_is_written_and_read_back() -> None:
    """As ``host:pid:boot-ticks``."""
    mine = ProcessId.of(os.getpid())
    assert mine is not None
    assert ProcessId.parse(str(mine)) == mine
    assert mine.alive()


@pytest.mark.parametrize("text", [None, "", "12", "host:12", "host:x:b-1", "container-id", "a:1:2"])
def test_what_others_write_is_no_process_of_ours(text: str | None) -> None:
    """Other worker types note other things as infrastructure."""
    assert ProcessId.parse(text) is None


def test_a_stranger_with_the_same_number_is_not_it() -> None:
    """Neither of another time nor of another host, and neither is killed."""
    mine = ProcessId.of(os.getpid())
    assert mine is not None
    for stranger in (replace(mine, start="00000000-1"), replace(mine, host="elsewhere")):
        assert not stranger.alive()
        assert stranger.kill(wait_s=0)
        stranger.kill_group()


def test_killing_waits_for_the_end(sleeper: subprocess.Popen[bytes]) -> None:
    """A zombie counts as gone."""
    child = ProcessId.of(sleeper.pid)
    assert child is not None
    assert child.kill()
    assert not child.alive()


def test_what_a_dead_process_started_is_killed_too(sleeper: subprocess.Popen[bytes]) -> None:
    """As long as it stayed in the group."""
    child = ProcessId.of(sleeper.pid)
    assert child is not None
    os.kill(sleeper.pid, signal.SIGKILL)
    sleeper.wait()
    assert members(sleeper.pid)  # the grandchild is still there
    child.kill_group()
    end = time.monotonic() + 5
    while members(sleeper.pid) and time.monotonic() < end:
        time.sleep(0.01)
    assert not members(sleeper.pid)
