"""Open files of a service's processes."""

import os
from pathlib import Path

import pytest

from autoloop.agent import looking


def test_the_process_nearest_to_its_limit(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of those of the unit; this one, where it is the only one."""
    unit = {str(os.getpid()): "app.service"}
    monkeypatch.setattr(looking, "cgroup_unit", lambda pid: unit.get(str(pid), ""))
    before = looking.read_files({"unit": "app.service"})
    assert before["pid"] == os.getpid()
    assert 0 < before["used"] <= before["limit"]
    with (tmp_path / "x").open("w"):
        assert looking.read_files({"unit": "app.service"})["used"] == before["used"] + 1
    assert looking.read_files({"unit": "other.service"}) == {"used": 0, "limit": 0, "pid": 0}
