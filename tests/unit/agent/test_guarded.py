"""Programs under guard: what they change goes back with the operation, over any crash."""

import os
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoloop.agent.backups import Backups
from autoloop.agent.durable import Refusal

pytestmark = pytest.mark.matrix

OP = "run/1/data"
MIGRATE = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('create table new (x)')"
INSTALL = "import os, sys; os.unlink(sys.argv[1] + '/old-1.dist-info/x');" + (
    "os.rmdir(sys.argv[1] + '/old-1.dist-info'); os.mkdir(sys.argv[1] + '/old-2.dist-info');"
    "open(sys.argv[1] + '/module.py', 'a').write('more')"
)


class Place:
    """A database with one row, a folder of packages, and a file in which commands leave a line."""

    def __init__(self, world: Any) -> None:
        self.world, self.log = world, world.folder / "log"
        self.database, self.packages = world.tree / "app.db", world.tree / "packages"
        self.write("create table old (x)", "insert into old values (1)")
        (self.packages / "old-1.dist-info").mkdir(parents=True)
        (self.packages / "old-1.dist-info" / "x").write_text("x")
        (self.packages / "module.py").write_text("code")
        self.before = self.now()

    def now(self) -> dict[str, Any]:
        """Every path, of the database what is in it: a copy of one has other bytes."""
        states = self.world.states()
        connection = sqlite3.connect(self.database)
        states[str(self.database)]["sha256"] = "\n".join(connection.iterdump())
        connection.close()
        return dict(states)

    def write(self, *statements: str) -> None:
        """As a user of the application."""
        connection = sqlite3.connect(self.database)
        for statement in statements:
            connection.execute(statement)
        connection.commit()
        connection.close()

    def tables(self) -> list[str]:
        """Of the database."""
        connection = sqlite3.connect(self.database)
        found = [row[0] for row in connection.execute("select name from sqlite_master")]
        connection.close()
        return found

    def say(self, word: str) -> dict[str, Any]:
        """A command that leaves a line."""
        argv = ["sh", "-c", f"echo {word} >>{self.log}"]
        return {"argv": argv, "timeout_s": 10, "env": {"SECRET": "hunter2"}}

    def said(self) -> list[str]:
        """The lines."""
        return self.log.read_text().split() if self.log.exists() else []

    def python(self, program: str, path: Path) -> dict[str, Any]:
        """A program that changes something."""
        return {"argv": [sys.executable, "-c", program, str(path)], "timeout_s": 20}

    def action(self, *more: dict[str, Any], **changed: Any) -> dict[str, Any]:
        """Both are changed."""
        run = [self.python(MIGRATE, self.database), self.python(INSTALL, self.packages), *more]
        return {
            "kind": "guarded", "app": "shop", "run": run, "stop": [self.say("stop")],
            "wake": [self.say("wake")], "sqlite": [str(self.database)],
            "trees": [str(self.packages)], **changed,
        }  # fmt: skip


@pytest.fixture
def place(world: Any) -> Place:
    """See `Place`."""
    return Place(world)


def fails() -> dict[str, Any]:
    """A command that fails, with a reason."""
    return {"argv": ["sh", "-c", "echo column exists >&2; exit 7"], "timeout_s": 10}


def test_done_once_with_writers_stopped_first(world: Any, place: Place) -> None:
    """The folders that came and went are told; nothing secret is in the journal."""
    worker = world.worker()
    done = world.do(worker, OP, place.action())
    assert done["outcome"] == "done"
    names = {k: [Path(p).name for p in v] for k, v in done["value"]["folders"].items()}
    assert names == {"gone": ["old-1.dist-info"], "made": ["old-2.dist-info"]}
    assert "new" in place.tables()
    assert world.do(worker, OP, place.action())["repeated"]
    assert place.said() == ["stop"]
    assert "hunter2" not in Path(world.store().op_path(OP)).read_text()


def test_what_fails_leaves_nothing(world: Any, place: Place) -> None:
    """The reason is told, and the same id may be tried again."""
    worker = world.worker()
    with pytest.raises(Refusal, match="exit code 7: column exists") as caught:
        world.do(worker, OP, place.action(fails()))
    assert "everything was put back" in caught.value.body["what"]
    assert place.now() == place.before
    assert Backups(world.store()).listed("shop") == []
    assert world.do(worker, OP, place.action())["outcome"] == "done"


def test_reverted_to_the_byte_and_newer_rows_are_kept(world: Any, place: Place) -> None:
    """What users wrote after it is in a backup; the folder is as it was, its own changes too."""
    worker = world.worker()
    world.do(worker, OP, place.action())
    place.write("insert into new values (42)", "insert into old values (2)")
    done = world.revert(worker, OP)
    assert done["outcome"] == "reverted"
    assert place.now() == place.before
    left = Backups(world.store()).load("shop", done["value"]["left"])
    kept = world.store().object_path(left["sqlite"][str(place.database)]["sha256"])
    connection = sqlite3.connect(kept)
    assert connection.execute("select x from new").fetchall() == [(42,)]
    assert connection.execute("select count(*) from old").fetchall() == [(2,)]
    connection.close()
    assert world.revert(worker, OP)["outcome"] == "reverted"
    assert place.said() == ["stop", "stop"]


def test_without_a_database_file_its_undo_takes_it_back(world: Any, place: Place) -> None:
    """A server's database: the procedure's own way back."""
    worker = world.worker()
    action = place.action(sqlite=[], trees=[], run=[place.say("up")], undo=[place.say("down")])
    world.do(worker, OP, action)
    world.revert(worker, OP)
    assert place.said() == ["stop", "up", "stop", "down"]


def test_what_outlives_its_agent_is_ended_before_it_is_put_back(world: Any, place: Place) -> None:
    """A program with another user's rights does not die with the one that began it. It would go on
    in a folder that is being put back; here it has a session of its own, and writes for ever."""
    write = "i=0; while :; do i=$((i+1)); echo x >$0/$i; sleep 0.01; done"
    argv = ["setsid", "-f", "sh", "-c", write, str(place.packages)]
    lasting = {"argv": argv, "timeout_s": 10}
    with pytest.raises(Refusal, match="exit code 7"):
        world.do(world.worker(), OP, place.action(lasting, fails()))
    time.sleep(0.1)
    assert place.now() == place.before


def test_a_database_that_cannot_be_saved_is_not_changed(world: Any, place: Place) -> None:
    """Damaged: nothing is run."""
    place.database.write_bytes(b"no database at all" * 100)
    before = world.states()
    with pytest.raises(Refusal, match="cannot be saved first"):
        world.do(world.worker(), OP, place.action())
    assert world.states() == before


def test_left_by_a_run_that_never_came_back_it_is_put_back_and_services_see_it(
    world: Any, place: Place
) -> None:
    """The next holder of the lock does it, after what came later; its own run keeps it."""
    worker = world.worker("run")
    world.do(worker, OP, place.action())
    world.release(worker)
    world.settle("run")
    assert "new" in place.tables()
    world.settle("another")
    assert place.now() == place.before
    assert place.said() == ["stop", "stop", "wake"]


def test_committed_with_the_whole_it_stays(world: Any, place: Place) -> None:
    """The files of the same deployment were committed, then the run was lost."""
    worker = world.worker()
    world.do(worker, "run/1/files", {"kind": "files", "changes": []})
    world.do(worker, OP, place.action(part_of="run/1/files"))
    worker.commit({"op": "run/1/files", "lock": "t"}, None)
    world.release(worker)
    world.settle("another")
    assert "new" in place.tables()


def test_its_contents_outlive_a_collection(world: Any, place: Place) -> None:
    """As long as it may have to go back."""
    worker = world.worker()
    world.do(worker, OP, place.action())
    for kept in (world.state / "objects").glob("*/*"):
        os.utime(kept, (1, 1))
    Backups(world.store()).collect()
    world.revert(worker, OP)
    assert place.now() == place.before


def test_cut_anywhere_it_is_before_or_after(
    world: Any, place: Place, memory: Path, quick_cut: Callable[[int, Callable[[], object]], bool]
) -> None:
    """A process that ends at any change of the file system; the next one puts it in order."""
    spare, point = memory / "spare", 0
    world.copy(spare)
    action = place.action(stop=[], wake=[])
    while True:
        world.put(spare)
        point += 1
        cut = quick_cut(point, lambda: world.do(world.worker(), OP, action))
        world.lose_locks()
        world.settle("another")
        assert place.now() == place.before, f"cut {point}"
        if not cut:
            break
    assert point > 15


def test_cut_anywhere_while_it_goes_back_it_is_before(
    world: Any, place: Place, memory: Path, quick_cut: Callable[[int, Callable[[], object]], bool]
) -> None:
    """The way back may be cut, too."""
    spare, point = memory / "spare", 0
    worker = world.worker()
    world.do(worker, OP, place.action(stop=[], wake=[]))
    world.release(worker)
    world.copy(spare)
    while True:
        world.put(spare)
        point += 1
        cut = quick_cut(point, lambda: world.revert(world.worker(), OP))
        world.lose_locks()
        world.settle("another")
        assert place.now() == place.before, f"cut {point}"
        if not cut:
            break
    assert point > 10
