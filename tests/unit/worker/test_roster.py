"""One holder of a name; children of a killed holder are ended by the next."""

import subprocess
from pathlib import Path

import pytest

from autoloop.worker.process import ProcessId
from autoloop.worker.roster import Roster, WorkerNameTaken


def test_a_name_has_one_holder(tmp_path: Path) -> None:
    """Until it is released; other names are free."""
    first = Roster.hold(tmp_path, "a/b c")
    with pytest.raises(WorkerNameTaken, match="give this worker another name"):
        Roster.hold(tmp_path, "a/b c")
    Roster.hold(tmp_path, "other").release()
    first.release()
    Roster.hold(tmp_path, "a/b c").release()


def test_a_shorter_list_replaces_a_longer_one(tmp_path: Path) -> None:
    """What is read is what was written last."""
    children = [ProcessId("host", number, "b-1") for number in range(5)]
    roster = Roster.hold(tmp_path, "w")
    for listed in (children, children[:1], [], children[2:]):
        roster.write(listed)
        assert roster.read() == listed
    roster.release()


def test_a_damaged_list_is_an_empty_one(tmp_path: Path) -> None:
    """A machine that lost power must not keep the worker from starting."""
    (tmp_path / "w.json").write_text('["host:1')
    roster = Roster.hold(tmp_path, "w")
    assert roster.bury() == []
    roster.release()


def test_children_of_a_killed_holder_are_ended(tmp_path: Path) -> None:
    """Those that still live are reported."""
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as process:
        child = ProcessId.of(process.pid)
        assert child is not None
        roster = Roster.hold(tmp_path, "w")
        roster.write([child, ProcessId(child.host, child.pid, "00000000-1")])
        assert roster.bury() == [child]
        assert roster.read() == []
        roster.release()
    assert process.returncode == -9
