"""All or none over any crash: the process is ended at each of its changes in turn."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoloop.agent.durable import Refusal
from autoloop.agent.files import ABSENT, file_state

pytestmark = pytest.mark.matrix

Cut = Callable[[int, Callable[[], object]], bool]
Scene = Any


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """A file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def test_uncut_change_and_revert(scene: Scene) -> None:
    """Without a crash the change ends in AFTER and its revert in BEFORE, with nothing left over."""
    assert scene.act()["outcome"] == "done"
    assert scene.side() == "after"
    scene.undo()
    assert (scene.side(), scene.journal()) == ("before", "reverted")


def test_crash_at_every_point_of_a_change(scene: Scene, cut: Cut) -> None:
    """Cut anywhere: the next connection finds all or nothing, and asking again ends in AFTER."""
    seen, point = set(), 1
    while cut(point, scene.act):
        scene.world.settle()
        assert scene.side() == {"applied": "after"}.get(scene.journal(), "before"), point
        seen.add(scene.side())
        assert scene.act()["outcome"] == "done"
        assert scene.side() == "after", point
        assert scene.act()["repeated"]
        scene.again()
        point += 1
    assert point > 40
    assert seen == {"before", "after"}


def test_crash_at_every_point_then_another_run(scene: Scene, cut: Cut) -> None:
    """Cut anywhere, and a run that is not the owner takes over: it finds BEFORE, always."""
    point = 1
    while cut(point, scene.act):
        scene.world.settle(owner="somebody")
        assert scene.side() == "before", point
        scene.again()
        point += 1


def test_crash_at_every_point_of_a_revert(scene: Scene, cut: Cut) -> None:
    """A revert cut anywhere is finished, or had not begun; asking again ends in BEFORE."""
    scene.act()
    scene.world.copy(scene.spare / "start")
    point = 1
    while cut(point, scene.undo):
        scene.world.settle()
        assert scene.side() == {"applied": "after"}.get(scene.journal(), "before"), point
        scene.undo()
        assert scene.side() == "before", point
        scene.again()
        point += 1
    assert point > 30


def test_crash_in_the_recovery(scene: Scene, quick_cut: Cut) -> None:
    """A recovery cut off as well is finished by the next one, a sample; the rest is elsewhere."""
    crashed, tried = scene.spare / "crashed", 0
    for one in range(1, 60, 7):
        if not quick_cut(one, scene.act):
            break
        scene.world.copy(crashed)
        two = 1 + one % 5
        while quick_cut(two, scene.world.settle):
            scene.world.settle()
            assert scene.side() == {"applied": "after"}.get(scene.journal(), "before"), (one, two)
            tried += 1
            scene.world.put(crashed)
            two += 5
        scene.again()
    assert tried > 20


def test_failure_in_the_middle_is_put_back(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the system half way (a full disk) puts all back and says so."""
    real, left = os.symlink, [1]

    def full(*args: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(28, "No space left on device")
        real(*args)

    monkeypatch.setattr(os, "symlink", full)
    with pytest.raises(Refusal) as caught:
        scene.act()
    assert caught.value.body["error"] == "OperationFailed"
    assert "ENOSPC" in caught.value.body["what"]
    assert (scene.side(), scene.journal()) == ("before", "failed")


def test_operations_come_off_latest_first(world: Any) -> None:
    """Two changes of one file by a run that is gone: recovery leads to the first BEFORE."""
    path = world.tree / "f"
    write(path, "one")
    store, states = world.store(), []
    for text in ("one", "two", "three"):
        write(path, text)
        store.keep(str(path))
        states.append(file_state(str(path)))
    write(path, "one")
    worker = world.worker()
    for op, old, new in (("run/b", 0, 1), ("run/a", 1, 2)):
        change = {"path": str(path), "before": states[old], "after": states[new]}
        world.do(worker, op, {"kind": "files", "changes": [change]})
    assert path.read_text() == "three"
    world.release(worker)
    world.settle(owner="other")
    assert path.read_text() == "one"


def test_folder_in_place_of_a_link(world: Any, cut: Cut) -> None:
    """A link gives way to a folder, and back, over any crash: where it led nothing is touched."""
    real, link = world.tree / "real", world.tree / "link"
    write(real / "f", "precious")
    link.mkdir()
    write(link / "f", "mine")
    world.store().keep(str(link / "f"))
    after = world.states()
    shutil.rmtree(link)
    link.symlink_to("real")
    before, absent = world.states(), ABSENT
    changes = [
        {"path": p, "before": before.get(p, absent), "after": after.get(p, absent)}
        for p in (str(link), str(link / "f"))
    ]
    spare = world.folder.parent / "spare"
    world.copy(spare)

    def there_and_back() -> None:
        worker = world.worker()
        world.do(worker, "run/1", {"kind": "files", "changes": changes})
        world.revert(worker, "run/1")

    point = 1
    while cut(point, there_and_back):
        world.settle(owner="other")
        assert world.states() == before, point
        world.put(spare)
        point += 1
    assert point > 20
    assert world.states() == before


def test_compiled_python_does_not_hold_a_folder(world: Any) -> None:
    """A new package is put back even after Python has written its cache into it."""
    absent, folder = ABSENT, world.tree / "package"
    write(folder / "m.py", "x = 1\n")
    world.store().keep(str(folder / "m.py"))
    states = {str(p): file_state(str(p)) for p in (folder, folder / "m.py")}
    shutil.rmtree(folder)
    changes = [{"path": p, "before": absent, "after": s} for p, s in states.items()]
    worker = world.worker()
    world.do(worker, "run/p", {"kind": "files", "changes": changes})
    write(folder / "__pycache__" / "m.cpython-311.pyc", "cache")
    assert world.revert(worker, "run/p")["outcome"] == "reverted"
    assert not folder.exists()


def test_what_cannot_be_put_back_holds_the_lock_back(world: Any) -> None:
    """A foreign file in a folder that must go: the rest is put back, it is named, nobody enters."""
    folder, other = world.tree / "d", world.tree / "f"
    absent = ABSENT
    folder.mkdir()
    write(other, "new")
    world.store().keep(str(other))
    changes = [
        {"path": str(p), "before": absent, "after": file_state(str(p))} for p in (folder, other)
    ]
    folder.rmdir()
    other.unlink()
    worker = world.worker()
    world.do(worker, "run/d", {"kind": "files", "changes": changes})
    write(folder / "mine", "a person's")
    world.release(worker)
    with pytest.raises(Refusal) as caught:
        world.settle(owner="other")
    assert str(folder) in caught.value.body["what"]
    assert not other.exists()
    assert (folder / "mine").read_text() == "a person's"
    (folder / "mine").unlink()
    world.settle(owner="other")
    assert not folder.exists()
