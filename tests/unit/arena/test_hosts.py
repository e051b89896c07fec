"""Names of hosts: whose process was killed has left them to the next."""

import subprocess
import sys
from pathlib import Path

import pytest

from autoloop.arena import hosts
from autoloop.arena.processes import ProcessId
from autoloop.arena.records import Record


def left_by(folder: Path, owner: ProcessId | None) -> Path:
    """What is there of a host."""
    folder.mkdir(parents=True)
    Record("web1", "al1", "10.77.77.2", "b", "10.77.77.1", "", owner).write(folder)
    return folder


@pytest.fixture
def thrown_away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The hosts whose power was cut."""
    names: list[str] = []
    monkeypatch.setattr(hosts, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr(hosts.Host, "crash", lambda host: names.append(host.name))
    return names


def test_the_name_of_a_killed_process_is_free(tmp_path: Path, thrown_away: list[str]) -> None:
    """Its host is thrown away first; what has an owner, or stays, is not touched."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as program:
        ended = ProcessId.of(program.pid)
        program.kill()
    hosts._make_way(left_by(tmp_path / "hosts" / "mine", ProcessId.own()))
    hosts._make_way(left_by(tmp_path / "hosts" / "stays", None))
    assert thrown_away == []
    hosts._make_way(left_by(tmp_path / "hosts" / "left", ended))
    assert thrown_away == ["web1"]


def test_a_folder_without_a_record_is_put_aside(tmp_path: Path, thrown_away: list[str]) -> None:
    """Its maker was killed between the two."""
    folder = tmp_path / "hosts" / "half"
    folder.mkdir(parents=True)
    hosts._make_way(folder)
    hosts._make_way(tmp_path / "hosts" / "none")
    assert (folder.exists(), thrown_away) == (False, [])
