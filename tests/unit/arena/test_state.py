"""Facts about a host, from the texts and databases that they are read from."""

import sqlite3
from contextlib import closing

import pytest

from autoloop.arena.disk import Disk, Entry
from autoloop.arena.running import _address
from autoloop.arena.state import DATABASE, State, aligned, facts_of, settings, tables, users

ENV = "/etc/lingzhi/lingzhi.env"


def test_a_file_has_a_content_and_a_permission() -> None:
    """Two facts, so that a changed mode is told from a changed content."""
    assert facts_of("/etc/x", Entry("sha256:1", "0644 root:root")) == {
        ("file", "/etc/x"): "sha256:1",
        ("permission", "/etc/x"): "0644 root:root",
    }
    assert facts_of("/etc/x", None) == {}


def test_the_database_file_is_compared_by_its_rows() -> None:
    """Two files of different bytes may hold the same rows."""
    assert facts_of(DATABASE, Entry("sha256:1", "0640 a:a"))["file", DATABASE] == "(read otherwise)"


def test_settings_are_compared_by_value() -> None:
    """Quotes, order and comments do not matter, values do and are not shown."""
    plain = settings("A=1\n# B=2\nexport C='x y'\n")
    assert plain == settings('C="x y"\nA=1\n')
    assert plain.keys() == {("setting", f"{ENV}#A"), ("setting", f"{ENV}#C")}
    assert plain != settings("A=2\nC='x y'\n")
    assert "x y" not in str(plain)


def test_rows_and_schema_are_told_apart() -> None:
    """A row more changes the rows, an index more the schema; order changes nothing."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript("create table t (a); insert into t values (1), ('x'), (null);")
        first = tables(db)
        assert first["rows", "t"].startswith("3 rows sha256:")
        db.executescript("delete from t; insert into t values (null), (1), ('x');")
        assert tables(db) == first
        db.execute("update t set a = 2 where a = 1")
        assert {key for key, value in tables(db).items() if first.get(key) != value} == {
            ("rows", "t")
        }
        db.execute("create index i on t (a)")
        assert ("schema", "i") in tables(db)


def test_accounts_are_read_by_number() -> None:
    """Lines that are no account are left out."""
    assert users("root:x:0:0::/root:/bin/sh\n\nlingzhi:x:999:996::/srv:/x\n") == {
        0: "root",
        999: "lingzhi",
    }


def test_states_are_compared_on_the_same_paths(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """A path that only one state has written has the image's content in the other."""
    image = tmp_path / "image"
    (image / "etc").mkdir(parents=True)
    (image / "etc/motd").write_text("old")
    disk = Disk(tmp_path / "written", [image])
    later = State(
        facts_of("/etc/motd", Entry("sha256:1", "0644 root:root")), frozenset(["/etc/motd"])
    )
    before, after = aligned([State({}), later], disk)
    assert before["file", "/etc/motd"].startswith("sha256:")
    assert before["file", "/etc/motd"] != after["file", "/etc/motd"]


@pytest.mark.parametrize(
    ("kernel", "shown"),
    [
        ("0100007F", "127.0.0.1"),
        ("00000000", "0.0.0.0"),
        ("00000000000000000000000001000000", "[0000:0000:0000:0000:0000:0000:0000:0001]"),
    ],
)
def test_addresses_are_read_as_the_kernel_writes_them(kernel: str, shown: str) -> None:
    """Each word of four bytes is in the machine's order."""
    assert _address(kernel) == shown
