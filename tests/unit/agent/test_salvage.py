"""Damaged SQLite databases: found, and salvaged so that no row is lost that can be read."""

import contextlib
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoloop.agent.backups import Backups
from autoloop.agent.durable import Refusal
from autoloop.agent.salvage import Pages, read_sqlite_check

pytestmark = pytest.mark.matrix

Cut = Callable[[int, Callable[[], object]], bool]
PAGE = 1024
SCHEMA = """
pragma page_size = 1024;
create table users (id integer primary key, name text not null unique, about blob, worth real);
create table visits (user int references users, day text, unique (user, day));
create table notes (id integer primary key autoincrement, text text);
create index on_notes on notes (id, text);
create table plain (a, b);
create table kept (k text primary key, v) without rowid;
create view rich as select name from users where worth > 10;
create trigger shout after insert on plain begin update plain set b = upper(new.b); end;
pragma user_version = 7;
"""


def fill(path: Path, first: int, last: int) -> None:
    """Rows of these numbers in every table, some of them longer than a page."""
    with contextlib.closing(sqlite3.connect(path)) as base, base:
        for n in range(first, last):
            about = random.Random(n).randbytes(3000 if n % 17 == 0 else n % 90)
            base.execute("insert into users values (?, ?, ?, ?)", (n, f"新 {n}", about, n / 4))
            base.execute("insert into visits values (?, ?)", (n, f"2026-{n}"))
            base.execute("insert into notes (text) values (?)", (f"note {n}" * (n % 9),))
            base.execute("insert into kept values (?, ?)", (f"k{n}", n))


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables."""
    with contextlib.closing(sqlite3.connect(path)) as base:
        names = [r[0] for r in base.execute("select name from sqlite_master where type = 'table'")]
        return {n: sorted(base.execute(f'select * from "{n}"'), key=repr) for n in names}


def root_of(path: Path, name: str) -> int:
    """The number of the first page of a table or index."""
    with contextlib.closing(sqlite3.connect(path)) as base:
        asked = "select rootpage from sqlite_master where name = ?"
        return int(base.execute(asked, (name,)).fetchone()[0])


def overwrite(path: Path, *pages: int, size: int = PAGE) -> None:
    """Chance bytes instead of these pages."""
    with path.open("r+b") as file:
        for page in pages:
            file.seek((page - 1) * PAGE)
            file.write(random.Random(page).randbytes(size))


def leaves(path: Path, root: int) -> list[int]:
    """The leaf pages of a table, those of the smallest numbers first."""
    pages = Pages(path.read_bytes())
    return [n for n in sorted(pages.walk(root)[0]) if pages.page(n)[0] == 13]


@pytest.fixture
def shop(world: Any) -> Path:
    """A database with 200 rows a table, remembered as good, and 100 more since then."""
    path = world.tree / "shop.db"
    with contextlib.closing(sqlite3.connect(path)) as base:
        base.executescript(SCHEMA)
    fill(path, 1, 201)
    path.chmod(0o640)
    Backups(world.store()).save({"app": "demo", "sqlite": [str(path)], "good": True})
    fill(path, 201, 301)
    return path


def check(path: Path) -> Any:
    """Whether it is sound."""
    return read_sqlite_check({"path": str(path)})["sound"]


def salvage(world: Any, path: Path) -> dict[str, Any]:
    """Salvage it in place; the report."""
    worker = world.worker()
    action = {"kind": "salvage", "app": "demo", "path": str(path), "complete": False}
    value: dict[str, Any] = world.do(worker, "run/1", action)["value"]
    world.release(worker)
    return value


def test_pages_are_read_as_sqlite_reads_them(shop: Path) -> None:
    """Numbers, texts, blobs, nothing, and rows that go on over other pages."""
    pages = Pages(shop.read_bytes())
    for table in ("users", "visits", "notes"):
        _, rows, whole = pages.walk(root_of(shop, table))
        assert whole
        with contextlib.closing(sqlite3.connect(shop)) as base:
            wanted = {r[0]: list(r[1:]) for r in base.execute(f"select rowid, * from {table}")}
        found = {rowid: [rowid if v is None else v for v in row] for rowid, row in rows.items()}
        assert found == wanted


def test_a_sound_database_is_sound_and_left_alone(shop: Path) -> None:
    """In every journal mode; nothing lies beside it afterwards."""
    for mode in ("delete", "wal", "persist"):
        with contextlib.closing(sqlite3.connect(shop)) as base:
            base.execute(f"pragma journal_mode = {mode}").fetchall()
        before = sorted(shop.parent.iterdir())
        assert check(shop) is True
        assert sorted(shop.parent.iterdir()) == before


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_database_in_use_is_looked_through(shop: Path, mode: str) -> None:
    """With rows that are only in its journal yet."""
    base = sqlite3.connect(shop)
    base.execute(f"pragma journal_mode = {mode}").fetchall()
    with base:
        base.execute("insert into plain values (1, 'x')")
    assert check(shop) is True
    base.close()


@pytest.mark.parametrize("page", [1, "users", "visits"])
def test_damage_is_found(shop: Path, page: int | str) -> None:
    """In the first page, or a table's."""
    overwrite(shop, page if isinstance(page, int) else root_of(shop, page))
    assert check(shop) is False


def test_what_is_no_damage_is_none(world: Any) -> None:
    """A file that is not there, one that is locked, a check that a row does not pass."""
    path = world.tree / "x.db"
    assert read_sqlite_check({"path": str(path)})["sound"] is None
    held = sqlite3.connect(path, isolation_level=None)
    held.execute("create table t (x)")
    held.execute("insert into t values (null)")
    held.execute("pragma writable_schema = on")
    held.execute("update sqlite_master set sql = 'create table t (x not null)'")
    held.execute("begin exclusive")
    assert check(path) is None
    held.close()
    assert check(path) is True


@pytest.mark.parametrize("what", ["root of users", "root of visits", "index of users"])
def test_rows_that_nothing_leads_to_are_found(world: Any, shop: Path, what: str) -> None:
    """The top of a tree is gone, its leaves are there: every row comes back, also the new ones."""
    before = contents(shop)
    name = {"root of users": "users", "root of visits": "visits"}.get(
        what, "sqlite_autoindex_users_1"
    )
    overwrite(shop, root_of(shop, name))
    told = salvage(world, shop)
    assert told["complete"], told
    assert contents(shop) == before
    assert check(shop) is True
    assert shop.stat().st_mode & 0o777 == 0o640


def test_rows_of_damaged_leaves_come_from_the_good_copy(world: Any, shop: Path) -> None:
    """Old ones do, and nothing that was deleted since; newer ones of the same page are lost, and
    that is said."""
    with contextlib.closing(sqlite3.connect(shop)) as base, base:
        base.execute("delete from users where id in (3, 4)")
    before = contents(shop)
    first, *_, last = leaves(shop, root_of(shop, "users"))
    old = set(Pages(shop.read_bytes()).leaf(first)[0])
    new = set(Pages(shop.read_bytes()).leaf(last)[0])
    overwrite(shop, first)
    spare = shop.with_name("spare")
    shutil.copy(shop, spare)
    told = salvage(world, shop)
    assert told["complete"]
    assert told["tables"]["users"]["from_backup"] == len(old)
    assert contents(shop) == before
    shutil.copy(spare, shop)
    overwrite(shop, last)
    worker = world.worker()
    action = {"kind": "salvage", "app": "demo", "path": str(shop), "complete": True}
    with pytest.raises(Refusal, match="no longer be salvaged completely"):
        world.do(worker, "run/2", action)
    told = world.do(worker, "run/2", {**action, "complete": False})["value"]
    assert not told["complete"]
    assert told["tables"]["users"]["lost"] == len(new)
    assert [r for r in before["users"] if r[0] not in new] == contents(shop)["users"]


@pytest.mark.parametrize("size", [16, 100, PAGE])
def test_the_first_page_is_mended_from_the_copy(world: Any, shop: Path, size: int) -> None:
    """It is no database any more; its rows are all there. It is not called complete."""
    before = contents(shop)
    overwrite(shop, 1, size=size)
    told = salvage(world, shop)
    assert (told["mended"], told["complete"]) == ("first page" if size > 100 else "header", False)
    after = contents(shop)
    assert after == before
    with contextlib.closing(sqlite3.connect(shop)) as base:
        assert base.execute("pragma user_version").fetchone() == (7,)
        assert base.execute("select count(*) from rich").fetchone() == (260,)
        base.execute("insert into notes (text) values ('next')")
        assert base.execute("select max(id) from notes").fetchone() == (301,)


def test_rows_that_are_only_in_the_journal_are_not_lost(world: Any, shop: Path) -> None:
    """A database in WAL mode whose last rows were never moved into the file."""
    with contextlib.closing(sqlite3.connect(shop)) as base:
        base.execute("pragma journal_mode = wal").fetchall()
    writer = sqlite3.connect(shop)
    writer.execute("pragma wal_autocheckpoint = 0")
    with writer:
        writer.execute("insert into plain values ('late', 'row')")
    before = contents(shop)
    copies = {p: p.read_bytes() for p in shop.parent.iterdir()}
    writer.close()
    for path, data in copies.items():
        path.write_bytes(data)
    overwrite(shop, leaves(shop, root_of(shop, "visits"))[0])
    told = salvage(world, shop)
    assert told["complete"]
    assert contents(shop) == before
    assert [p.name for p in shop.parent.iterdir()] == ["shop.db"]


def test_without_a_good_copy_what_is_readable_is_saved(world: Any, shop: Path) -> None:
    """And what is lost is counted, where an index tells."""
    (world.state / "backups" / "demo" / "GOOD").unlink()
    before = len(contents(shop)["users"])
    first = leaves(shop, root_of(shop, "users"))[0]
    on_it = len(Pages(shop.read_bytes()).leaf(first)[0])
    overwrite(shop, first)
    told = salvage(world, shop)["tables"]["users"]
    assert (told["readable"], told["from_backup"], told["lost"]) == (before - on_it, 0, on_it)


def test_a_file_that_is_all_damage_is_refused(world: Any, shop: Path) -> None:
    """Nothing is touched."""
    shop.write_bytes(b"")
    with pytest.raises(Refusal):
        salvage(world, shop)
    assert shop.read_bytes() == b""
    overwrite(shop, *range(1, 30))
    data = shop.read_bytes()
    with contextlib.suppress(Refusal):
        assert salvage(world, shop)["complete"] is False
        return
    assert shop.read_bytes() == data


def test_a_link_is_refused(world: Any, shop: Path) -> None:
    """What is put in place would take the place of the link."""
    link = shop.with_name("link.db")
    link.symlink_to(shop)
    with pytest.raises(Refusal, match="is a link"):
        Backups(world.store()).salvage("demo", str(link))


def test_any_damage_ends_in_a_sound_database_or_a_refusal(world: Any, shop: Path) -> None:
    """Pages chosen by chance: no exception but a refusal, and never a row that never was."""
    before, whole = contents(shop), shop.read_bytes()
    known = {name: set(map(repr, rows)) for name, rows in before.items()}
    for seed in range(12):
        shop.write_bytes(whole)
        chance = random.Random(seed)
        overwrite(shop, *(chance.randrange(2, len(whole) // PAGE) for _ in range(3)))
        backups = Backups(world.store())
        report = backups.salvage("demo", str(shop), keep=True)
        made = Path(world.store().object_path(report["sha256"]))
        for name, rows in contents(made).items():
            if name != "sqlite_sequence":
                assert set(map(repr, rows)) <= known[name], (seed, name)
        if report["complete"]:
            assert contents(made) == before, seed


def test_crash_at_every_point_of_a_salvage(world: Any, shop: Path, cut: Cut) -> None:
    """The next connection finds the damaged file as it was, or the salvaged one."""
    overwrite(shop, root_of(shop, "users"))
    damaged, spare = shop.read_bytes(), world.folder.parent / "spare"
    world.copy(spare)
    seen, point = set(), 1
    while cut(point, lambda: salvage(world, shop)):
        world.settle(owner="run")
        sound = check(shop)
        seen.add(sound)
        assert sound or shop.read_bytes() == damaged, point
        world.settle(owner="other")
        assert shop.read_bytes() == damaged, point
        assert [p.name for p in world.tree.iterdir()] == ["shop.db"], point
        world.put(spare)
        point += 1
    assert seen == {True, False}
    assert point > 20


def test_a_damaged_database_is_backed_up_as_it_is(world: Any, shop: Path) -> None:
    """With its journal; the backup can be verified, and says what it is."""
    overwrite(shop, root_of(shop, "users"))
    shop.with_name("shop.db-wal").write_bytes(b"x" * 40)
    backups = Backups(world.store())
    saved = backups.save({"app": "demo", "sqlite": [str(shop)]})
    assert saved["sqlite"][str(shop)] != "ok"
    record = backups.load("demo", saved["id"])["sqlite"][str(shop)]
    assert Path(world.store().object_path(record["sha256"])).read_bytes() == shop.read_bytes()
    assert list(record["raw"]) == [f"{shop}-wal"]
    assert backups.verify("demo", saved["id"])["broken"] == []
