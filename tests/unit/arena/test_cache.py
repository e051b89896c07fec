"""The cache: finished folders only, one maker at a time."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from autoloop.arena.cache import cache_folder, locked, made_once
from autoloop.arena.errors import MissingPart


def test_a_folder_is_made_once(tmp_path: Path) -> None:
    """The second asker gets what the first one made."""
    made: list[Path] = []
    for _ in range(2):
        assert made_once(tmp_path / "layer", made.append) == tmp_path / "layer"
    assert made == [tmp_path / "layer.part"]


def test_what_failed_is_not_taken_for_finished(tmp_path: Path) -> None:
    """Its rest lies under another name, and the next maker begins anew."""

    def broken(part: Path) -> None:
        (part / "half").touch()
        raise RuntimeError

    with pytest.raises(RuntimeError):
        made_once(tmp_path / "layer", broken)
    assert not (tmp_path / "layer").exists()
    made_once(tmp_path / "layer", lambda part: (part / "whole").touch())
    assert [path.name for path in (tmp_path / "layer").iterdir()] == ["whole"]


def test_askers_at_the_same_time_wait_for_one_maker(tmp_path: Path) -> None:
    """All get the folder, one makes it."""
    made = []

    def make(part: Path) -> None:
        time.sleep(0.1)
        made.append(part)

    threads = [
        threading.Thread(target=made_once, args=(tmp_path / "layer", make)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    """The kernel gives the lock back."""
    code = (
        "import sys, time; from pathlib import Path; from autoloop.arena.cache import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        holder.kill()
    with locked(tmp_path / "lock"):
        pass


def test_the_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By AUTOLOOP_ARENA_CACHE, else below XDG_CACHE_HOME; but mounts must be able to name it."""
    monkeypatch.setenv("AUTOLOOP_ARENA_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("AUTOLOOP_ARENA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "autoloop" / "arena"
    monkeypatch.setenv("AUTOLOOP_ARENA_CACHE", "/a,b")
    with pytest.raises(MissingPart, match="holds a blank, comma"):
        cache_folder()
