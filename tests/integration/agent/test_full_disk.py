"""The agent's own state folder is on the disk that is full."""

import contextlib
import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoloop.agent.channel import LocalChannel
from autoloop.agent.client import Client
from autoloop.agent.session import Session
from autoloop.core.errors import AutoloopError
from autoloop.core.target import Read, RemoveFiles, SaveBackup, SeenFile

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a file system is mounted")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=120m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_old_files_are_removed_from_a_full_disk(disk: Path) -> None:
    """Not a byte is free, not even for the journal of the operation: the room kept for that day is
    given up. Before, a backup could not be made there."""
    fences = itertools.count(1)
    session = Session(
        lambda: Client(LocalChannel(), str(disk / "state")), lambda _: next(fences), "run"
    )
    with contextlib.closing(session):
        session.lock("shop", 1, 1)
        session.unlock("shop")
        (disk / "logs").mkdir()
        for number in range(3):
            (disk / "logs" / f"{number}.gz").write_bytes(os.urandom(1 << 20))
        with contextlib.suppress(OSError), (disk / "rest").open("wb") as rest:
            while True:
                rest.write(b"x" * 65536)
                rest.flush()
        (place,) = session.observe([Read(op="disks", args={"paths": [str(disk)]})])[0].value
        assert (place["place"], place["free"]) == (str(disk), 0)
        session.lock("shop", 2, 1)
        with pytest.raises(AutoloopError, match="ENOSPC"):
            session.do("run/1/backup", SaveBackup(app="shop", trees=(str(disk / "logs"),)))
        rules = [{"glob": f"{disk}/logs/*", "keep": 1, "older_s": 0}]
        args = {"place": str(disk), "rules": rules, "protect": []}
        found = session.observe([Read(op="removable", args=args)])[0].value[0]
        files = tuple(SeenFile.model_validate(row) for row in found)
        done = session.do("run/1/0", RemoveFiles(files=files))
        assert done.outcome == "done"
        assert [p.name for p in (disk / "logs").iterdir()] == ["2.gz"]
        assert os.statvfs(disk).f_bavail > 0
