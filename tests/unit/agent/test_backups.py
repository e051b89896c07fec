"""Backups: consistent, verified, kept as long as they are needed."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from autoloop.agent.backups import Backups
from autoloop.agent.durable import Refusal
from autoloop.agent.files import file_state
from autoloop.agent.salvage import read_locks


def save(world: Any, **more: Any) -> dict[str, Any]:
    """One backup of the whole tree."""
    asked = {"app": "demo", "trees": [str(world.tree)], **more}
    summary: dict[str, Any] = backups(world).save(asked)
    return summary


def backups(world: Any) -> Backups:
    """The backups of this world."""
    return Backups(world.store())


def age(world: Any, seconds: float = 7200) -> None:
    """Make all stored contents that much older."""
    then = time.time() - seconds
    for path in (world.state / "objects").rglob("*"):
        if path.is_file():
            os.utime(path, (then, then))


def objects(world: Any) -> set[str]:
    """The hashes that are in the store."""
    found = (world.state / "objects").rglob("*")
    return {p.parent.name + p.name for p in found if p.is_file()}


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_database_is_copied_consistently(world: Any, tmp_path: Path, mode: str) -> None:
    """While a writer moves money between accounts, no backup sees a sum that is not whole."""
    path = tmp_path / "bank.db"
    base = sqlite3.connect(path)
    base.execute(f"pragma journal_mode={mode}")
    base.execute("create table account (n int, money int, filler text)")
    rows = [(n, 100, "x" * 500) for n in range(200)]
    base.executemany("insert into account values (?, ?, ?)", rows)
    base.commit()
    base.close()
    halt = threading.Event()

    def move() -> None:
        bank = sqlite3.connect(path, timeout=10)
        bank.execute("pragma synchronous=off")
        turn = 0
        while not halt.is_set():
            turn += 1
            with bank:
                bank.execute("update account set money=money-1 where n=?", (turn % 200,))
                bank.execute("update account set money=money+1 where n=?", (turn * 7 % 200,))
            time.sleep(0.001)
        bank.close()

    writer = threading.Thread(target=move)
    writer.start()
    try:
        for _ in range(5):
            found = backups(world).save_sqlite(str(path))
            assert found["check"] == "ok"
            copy = sqlite3.connect(world.store().object_path(found["sha256"]))
            total = copy.execute("select sum(money), count(*) from account").fetchone()
            copy.close()
            assert total == (20000, 200)
    finally:
        halt.set()
        writer.join()


def test_locked_database_does_not_hold_us(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that never lets go: the backup says so after a while instead of waiting for ever."""
    monkeypatch.setattr("autoloop.agent.backups.LOCKED_DATABASE_S", 0.5)
    path = tmp_path / "held.db"
    held = sqlite3.connect(path, isolation_level=None)
    held.execute("create table t (x)")
    held.execute("begin exclusive")
    try:
        found = backups(world).save_sqlite(str(path))
    finally:
        held.close()
    assert "locked" in found["check"]
    assert found["sha256"]


def test_broken_and_missing_databases_are_named(world: Any, tmp_path: Path) -> None:
    """A file that is no database is kept as it is; neither it nor a missing one is ok."""
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"not a database, but long enough to be taken for one" * 20)
    found = save(world, sqlite=[str(broken), str(tmp_path / "none.db")])
    assert "not a database" in found["sqlite"][str(broken)]
    assert found["sqlite"][str(tmp_path / "none.db")] == "absent"


def test_newest_and_the_good_one_stay(world: Any) -> None:
    """Of many, the newest N are kept, and the last good one whatever its age."""
    (world.tree / "f").write_text("0")
    good, ids = save(world, good=True)["id"], []
    for number in range(5):
        (world.tree / "f").write_text(str(number))
        ids.append(save(world)["id"])
    backups(world).prune("demo", 2)
    assert [r["id"] for r in backups(world).listed("demo")] == [ids[4], ids[3], good]
    assert backups(world).load("demo", "good")["id"] == good


def test_what_was_good_before_takes_no_place(world: Any) -> None:
    """Each change saves a state before and a good one after: N changes can be gone back."""
    before, good = [], ""
    for number in range(4):
        (world.tree / "f").write_text(str(number))
        before.append(save(world)["id"])
        good = save(world, good=True)["id"]
        backups(world).prune("demo", 3)
    kept = [record["id"] for record in backups(world).listed("demo")]
    assert sorted(kept) == sorted([*before[1:], good])


def test_verify_finds_one_flipped_bit(world: Any) -> None:
    """A bit flipped in the store, and a content that is gone, are found with their paths."""
    for name in ("a", "b", "c"):
        (world.tree / name).write_text(name * 10)
    backup = save(world)["id"]
    assert backups(world).verify("demo", backup) == {"id": backup, "checked": 3, "broken": []}
    files = backups(world).load("demo", backup)["files"]
    kept = {n: world.store().object_path(files[str(world.tree / n)]["sha256"]) for n in "abc"}
    content = bytearray(Path(kept["a"]).read_bytes())
    content[3] ^= 1
    Path(kept["a"]).write_bytes(content)
    Path(kept["b"]).unlink()
    broken = [str(world.tree / "a"), str(world.tree / "b")]
    assert backups(world).verify("demo", backup)["broken"] == broken


def test_drift_shows_both_sides(world: Any) -> None:
    """Changed, added and removed paths since the good state, with texts where asked."""
    for name in ("same", "changed", "removed"):
        (world.tree / name).write_text(name)
    save(world, good=True)
    changed, removed, added = (str(world.tree / n) for n in ("changed", "removed", "added"))
    Path(changed).write_text("now")
    Path(added).write_text("more")
    Path(removed).unlink()
    drift = backups(world).drift({"app": "demo", "texts": [changed]})
    found = {c["path"]: c for c in drift["changes"]}
    assert {p: (c["good"]["kind"], c["now"]["kind"]) for p, c in found.items()} == {
        changed: ("file", "file"),
        removed: ("file", "absent"),
        added: ("absent", "file"),
    }
    assert (found[changed]["good_text"], found[changed]["now_text"]) == ("changed", "now")


def test_collection_keeps_what_is_needed(world: Any) -> None:
    """Named by a backup or an open operation, or new: kept. Old and named by nothing: removed."""
    kept_file, store = world.tree / "in_backup", world.store()
    kept_file.write_text("in backup")
    save(world)
    target = world.tree / "target"
    target.write_text("after")
    after = store.keep(str(target))[0]
    wanted = file_state(str(target))
    target.write_text("before")
    change = {"path": str(target), "before": file_state(str(target)), "after": wanted}
    world.do(world.worker(), "run/1", {"kind": "files", "changes": [change]})
    orphan = store.keep_bytes(b"orphan")
    age(world)
    fresh = store.keep_bytes(b"fresh")
    backups(world).collect()
    named = {change["before"]["sha256"], after, fresh}
    assert named <= objects(world)
    assert orphan not in objects(world)
    assert backups(world).verify("demo", backups(world).listed("demo")[0]["id"])["broken"] == []


def test_content_kept_again_counts_as_new(world: Any) -> None:
    """An old content that a backup in progress relies on is not collected under it."""
    store = world.store()
    sha = store.keep_bytes(b"shared")
    age(world)
    assert store.keep_bytes(b"shared") == sha
    backups(world).collect()
    assert sha in objects(world)


def test_leftovers_of_crashes_are_collected(world: Any) -> None:
    """Half-written files in the state folder go once they are old."""
    world.store()
    left = [world.state / ".autoloop-x", world.state / "ops" / ".autoloop-y"]
    left.append(world.state / "objects" / ".autoloop-z")
    for path in left:
        path.write_text("half")
        os.utime(path, (1, 1))
    backups(world).collect()
    assert not [path for path in left if path.exists()]


@pytest.mark.parametrize("app", ["", "..", "A", "a/b", "a\n", "x" * 65])
def test_bad_application_names(world: Any, app: str) -> None:
    """A name that could leave the folder of backups is refused."""
    with pytest.raises(Refusal, match="not a usable name"):
        backups(world).save({"app": app})


def test_unknown_backup_is_not_found(world: Any) -> None:
    """Neither a made-up id nor a good state that never was can be loaded."""
    for name in ("none", "good", "../../ops/x"):
        with pytest.raises(Refusal) as caught:
            backups(world).load("demo", name)
        assert caught.value.body["error"] == "NotFound"


def test_a_database_that_is_another_now(world: Any, tmp_path: Path) -> None:
    """Gone, replaced by an empty one, or not to be read by its owner: seen. New rows are not."""
    path = tmp_path / "shop.db"
    with contextlib.closing(sqlite3.connect(path)) as made:
        made.executescript("create table t (x); insert into t values (zeroblob(50000));")
    args = {"app": "shop", "trees": [], "files": [], "sqlite": [str(path)], "good": True}
    kept = backups(world)
    kept.save(args)

    def seen() -> list[tuple[str, bool, int]]:
        rows = kept.drift({"app": "shop"})["changes"]
        return [
            (r["now"]["kind"], r["now"]["sha256"] == r["good"]["sha256"], r["now"]["mode"])
            for r in rows
        ]

    assert seen() == []
    with contextlib.closing(sqlite3.connect(path)) as grown:
        grown.execute("insert into t values (1)")
        grown.commit()
    assert seen() == []
    path.chmod(0o600)
    assert seen() == [("file", True, 0o600)]
    path.rename(tmp_path / "elsewhere.db")
    assert [kind for kind, _, _ in seen()] == ["absent"]
    with contextlib.closing(sqlite3.connect(path)) as empty:
        empty.execute("create table t (x)")
    assert [(kind, same) for kind, same, _ in seen()] == [("file", False)]


def test_a_new_database_under_the_old_number_is_another(world: Any, tmp_path: Path) -> None:
    """File systems give the number of a removed file to the next one."""
    path = tmp_path / "shop.db"
    with contextlib.closing(sqlite3.connect(path)) as made:
        for _ in range(9):
            made.execute("create table if not exists t (x)")
            made.execute("insert into t values (zeroblob(50000))")
            made.commit()
    args = {"app": "shop", "trees": [], "files": [], "sqlite": [str(path)], "good": True}
    kept = backups(world)
    kept.save(args)
    with contextlib.closing(sqlite3.connect(path)) as emptied:
        emptied.execute("delete from t")
        emptied.commit()
        emptied.execute("vacuum")
    assert kept.drift({"app": "shop"})["changes"] == []  # its own people made it small
    with contextlib.closing(sqlite3.connect(tmp_path / "new.db")) as new:
        new.execute("create table t (x)")
    path.write_bytes((tmp_path / "new.db").read_bytes())
    assert [row["path"] for row in kept.drift({"app": "shop"})["changes"]] == [str(path)]


@pytest.mark.parametrize(("rows", "seen"), [("", 1), ("insert into a values (1)", 1),
    ("insert into a values (1); insert into b values (1)", 0)])  # fmt: skip
def test_an_empty_database_as_large_as_the_old_one(
    world: Any, tmp_path: Path, rows: str, seen: int
) -> None:
    """An application that makes its tables anew: seen while half of what held rows holds none."""
    path, tables = tmp_path / "shop.db", "create table a (x); create table b (x);"
    with contextlib.closing(sqlite3.connect(path)) as made:
        made.executescript(f"{tables} insert into a values (1); insert into b values (1);")
    kept = backups(world)
    kept.save({"app": "shop", "sqlite": [str(path)], "good": True})
    path.rename(tmp_path / "moved.db")
    with contextlib.closing(sqlite3.connect(path)) as new:
        new.executescript(tables + rows)
    before = sorted(p.name for p in tmp_path.iterdir())
    assert len(kept.drift({"app": "shop"})["changes"]) == seen
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_a_database_that_a_backup_took_for_code_is_no_code(world: Any) -> None:
    """It is held against its own copy, not against the bytes of the tree."""
    path = world.tree / "shop.db"
    for rows in (1, 2):
        with contextlib.closing(sqlite3.connect(path)) as made:
            made.execute("create table if not exists t (x)")
            made.execute("insert into t values (1)")
            made.commit()
        if rows == 1:
            save(world, sqlite=[str(path)], good=True)
    assert backups(world).drift({"app": "demo"})["changes"] == []


def test_who_holds_a_database(tmp_path: Path) -> None:
    """Another process that writes to it, and nobody when it has ended."""
    path = tmp_path / "shop.db"
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute('begin exclusive'); print(1, flush=True); sys.stdin.read()"
    )
    with contextlib.closing(sqlite3.connect(path)) as made:
        made.execute("create table t (x)")
    pipe = subprocess.PIPE
    argv = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        (row,) = read_locks({"path": str(path)})
        assert (row["pid"], row["kind"]) == (holder.pid, "WRITE")
    assert read_locks({"path": str(path)}) == []
