"""Who works on an application, told by locks."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from autoloop.settings import settings
from tasks.busy import alone, changed_since, changing


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state folder of its own."""
    monkeypatch.setenv("AUTOLOOP_HOME", str(tmp_path))
    settings.cache_clear()


def test_only_the_first_is_alone() -> None:
    """The second is told so at once, and another application is another matter."""
    with alone("health", "a") as first, alone("health", "a") as second, alone("health", "b") as b:
        assert (first, second, b) == (True, False, True)
    with alone("health", "a") as again:
        assert again


def test_a_change_is_seen_while_it_lasts_and_afterwards() -> None:
    """A look that began before its end must not be believed."""
    assert not changed_since("a", time.time() - 60)
    began = time.time() - 1
    with changing("a"), changing("a"):
        assert changed_since("a", time.time() + 60)
    assert changed_since("a", began)
    assert not changed_since("a", time.time() + 1)


def test_a_killed_process_changes_nothing_any_more() -> None:
    """Its lock is gone with it."""

    def die() -> None:
        with changing("a"):
            os.kill(os.getpid(), 9)

    child = multiprocessing.get_context("fork").Process(target=die)
    child.start()
    child.join()
    assert not changed_since("a", time.time() + 1)
