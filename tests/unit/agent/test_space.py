"""Room: what may be removed, what is removed, and what a crash leaves of it."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoloop.agent.durable import ROOM
from autoloop.agent.looking import read_biggest, read_disks, read_removable
from autoloop.agent.remote import Agent

Cut = Callable[[int, Callable[[], object]], bool]


def old(world: Any, *names: str) -> list[str]:
    """Files of that name, each a day younger than the one before it."""
    paths = []
    for age, name in enumerate(reversed(names)):
        path = world.tree / name
        path.write_text(name * 1000)
        os.utime(path, (1e9 - age * 86400, 1e9 - age * 86400))
        paths.append(str(path))
    return paths[::-1]


def removable(world: Any, keep: int = 0, older_s: float = 0, protect: tuple[str, ...] = ()) -> Any:
    """What the one rule of these tests finds."""
    rule = {"glob": f"{world.tree}/*.log.*", "keep": keep, "older_s": older_s}
    asked = {"place": str(world.tree), "rules": [rule], "protect": list(protect)}
    return read_removable(asked)[0]


def names(rows: Any) -> list[str]:
    """The names of the files found."""
    return [Path(row["path"]).name for row in rows]


def test_the_newest_stay_and_the_oldest_are_first(world: Any) -> None:
    """Only what the pattern matches; what is too young stays as well."""
    old(world, "a.log.3", "a.log.2", "a.log.1")
    (world.tree / "a.log").write_text("now")
    (world.tree / "new.log.9").write_text("now")
    assert names(removable(world, keep=2)) == ["a.log.3", "a.log.2"]
    assert names(removable(world, older_s=3600)) == ["a.log.3", "a.log.2", "a.log.1"]


def test_nobody_may_remove_what_is_in_use(world: Any) -> None:
    """Open, linked twice, protected, a link, a folder: left out."""
    held, twice, mine, free = old(world, "a.log.4", "a.log.3", "a.log.2", "a.log.1")
    (world.tree / "other").hardlink_to(twice)
    (world.tree / "x.log.1").symlink_to(free)
    (world.tree / "d.log.1").mkdir()
    with Path(held).open():
        assert names(removable(world, protect=(mine,))) == ["a.log.1"]


def test_what_is_removed_is_noted_and_done_once(world: Any) -> None:
    """A file that changed since it was seen stays."""
    paths = old(world, "a.log.3", "a.log.2", "a.log.1")
    action = {"kind": "remove", "files": removable(world)}
    Path(paths[1]).write_text("somebody wants it")
    worker = world.worker()
    done = world.do(worker, "run/1", action)
    assert done["value"]["removed"] == [paths[0], paths[2]]
    assert done["value"]["left"] == [paths[1]]
    assert world.do(worker, "run/1", action)["repeated"]
    assert [p.name for p in world.tree.iterdir()] == ["a.log.2"]


def test_a_folder_that_became_a_link_is_not_followed(world: Any, tmp_path: Path) -> None:
    """The same names elsewhere are other files, even as hard links of the same content."""
    inner = world.tree / "inner"
    inner.mkdir()
    (inner / "a.log.1").write_text("x")
    rule = {"glob": f"{inner}/*", "keep": 0, "older_s": 0}
    asked = {"place": str(world.tree), "rules": [rule], "protect": []}
    action = {"kind": "remove", "files": read_removable(asked)[0]}
    inner.rename(world.tree / "moved")
    inner.symlink_to(world.tree / "moved")
    done = world.do(world.worker(), "run/1", action)
    assert done["value"]["removed"] == []
    assert (world.tree / "moved" / "a.log.1").exists()


def test_crash_at_every_point_of_a_removal(world: Any, cut: Cut) -> None:
    """Asked again it goes on; nothing but the named files is ever gone."""
    old(world, "a.log.3", "a.log.2", "a.log.1")
    (world.tree / "stays").write_text("x")
    action = {"kind": "remove", "files": removable(world)}
    spare = world.folder.parent / "spare"
    world.copy(spare)
    action["files"] = removable(world)

    def act() -> None:
        worker = world.worker()
        world.do(worker, "run/1", action)
        world.release(worker)

    point = 1
    while True:
        world.put(spare)
        action["files"] = removable(world)
        if not cut(point, act):
            break
        act()
        assert [p.name for p in world.tree.iterdir()] == ["stays"], point
        point += 1
    assert point > 5


def test_room_is_held_and_given_up(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state folder keeps a megabyte for the day on which the disk is full."""
    world.settle()
    assert (world.state / "room").stat().st_size == ROOM
    monkeypatch.setattr("autoloop.agent.durable.space_of", lambda _: {"free": 0})
    worker = world.worker()
    world.do(worker, "run/1", {"kind": "remove", "files": []})
    world.release(worker)
    assert not (world.state / "room").exists()
    world.settle()
    assert not (world.state / "room").exists()


def test_disks_are_told_once_each(world: Any) -> None:
    """With what is asked for in them; a path that does not exist counts for where it would be."""
    asked = [str(world.tree), str(world.tree / "not" / "there")]
    (found,) = read_disks({"paths": asked})
    assert found["paths"] == asked
    assert os.path.ismount(found["place"])
    assert 0 < found["free"] <= found["total"]


def test_the_biggest_files_are_named(world: Any) -> None:
    """The biggest first."""
    for size in (10, 30, 20):
        (world.tree / str(size)).write_bytes(b"x" * size * 4096)
    found = read_biggest({"place": str(world.tree)})
    assert names(found)[:3] == ["30", "20", "10"]


def test_answers_of_a_batch_are_in_order(world: Any) -> None:
    """A read without a name is an answer too."""
    agent = Agent(None, None)
    agent.open_store(str(world.state))
    reads: list[dict[str, Any]] = [{"op": "facts"}, {}, {"op": "run", "args": {"argv": ["true"]}}]
    found = agent.read_all(reads, threading.Event())
    assert [row["ok"] for row in found] == [True, False, True]
