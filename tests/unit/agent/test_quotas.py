"""Limits below a file system's: read where the kernel counts, and nothing where there are none."""

import os
from pathlib import Path
from typing import Any

import pytest

from autoloop.agent import quotas
from autoloop.agent.looking import read_disks, read_facts

GROUP = {"limit_flags": "1", "max_referenced": "12582912", "referenced": "12500000"}


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the kernel shows of subvolume 256, as files."""
    folder = tmp_path / "d3112f87-b28a" / "qgroups" / "0_256"
    folder.mkdir(parents=True)
    monkeypatch.setattr(quotas, "FILE_SYSTEMS", str(tmp_path))
    return folder


def told(group: Path, **numbers: str) -> Any:
    """The limits that follow from these files."""
    for name, number in numbers.items():
        (group / name).write_text(number + "\n")
    return quotas.group_limits("d3112f87-b28a", 256)


def test_what_is_on_its_way_counts(group: Path) -> None:
    """A quota is over when the kernel says so, not when it has written everything."""
    row = {"whose": "subvolume 256", "used": 12500000, "limit": 12582912}
    assert told(group, **GROUP) == [row]
    assert told(group, rsv_data="4096", rsv_meta_prealloc="1") == [{**row, "used": 12504097}]


def test_both_kinds_of_limit(group: Path) -> None:
    """Each is one; a group without any has none, whatever its numbers are."""
    both = told(group, **{**GROUP, "limit_flags": "3", "exclusive": "7", "max_exclusive": "9"})
    assert [(row["used"], row["limit"]) for row in both] == [(12500000, 12582912), (7, 9)]
    assert told(group, limit_flags="0") == []
    assert told(group, limit_flags="?") == []
    assert quotas.group_limits("d3112f87-b28a", 257) == []


@pytest.mark.usefixtures("group")
def test_a_file_system_of_another_kind_has_none(tmp_path: Path) -> None:
    """Nor has what cannot be opened; nothing is raised, and no pipe is waited for."""
    os.mkfifo(tmp_path / "pipe")
    for name in ("", "pipe", "nowhere"):
        assert quotas.quotas_of(str(tmp_path / name)) == []
    assert read_disks({"paths": [str(tmp_path)]})[0]["quotas"] == []


def test_the_clock_says_whether_it_is_kept_right() -> None:
    """Or that nobody may ask."""
    assert read_facts({})["synced"] in (True, False, None)
