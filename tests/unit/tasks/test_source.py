"""Source trees: what is read, and what is refused."""

import hashlib
import os
from pathlib import Path

import pytest

from autoloop.core.errors import BadRequest
from tasks.source import read_tree


def test_a_tree_is_read_with_its_contents(tmp_path: Path) -> None:
    """Folders, files, links inside, the executable bit; what is excluded is not seen."""
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "run").write_text("x")
    (tmp_path / "d" / "run").chmod(0o755)
    (tmp_path / "link").symlink_to("d/run")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "x.py").write_text("")
    (tmp_path / "m.pyc").write_text("")
    manifest, contents = read_tree(str(tmp_path), ("cache", "*.pyc"))
    assert {name: entry.kind for name, entry in manifest.items()} == {
        "d": "dir",
        "d/run": "file",
        "link": "link",
    }
    assert manifest["d/run"].executable
    assert contents == {hashlib.sha256(b"x").hexdigest(): b"x"}


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "d/../../outside"])
def test_a_link_that_leaves_the_tree_is_refused(tmp_path: Path, target: str) -> None:
    """It would publish what is not meant."""
    root = tmp_path / "root"
    (root / "d").mkdir(parents=True)
    (root / "f").write_text("x")
    (root / "link").symlink_to(target)
    with pytest.raises(BadRequest, match="outside of the source"):
        read_tree(str(root), ())


@pytest.mark.parametrize("kind", ["missing", "empty", "file"])
def test_what_is_no_source_is_refused(tmp_path: Path, kind: str) -> None:
    """A mistyped path does not delete an application."""
    path = tmp_path / "source"
    if kind == "file":
        path.write_text("x")
    elif kind == "empty":
        path.mkdir()
    with pytest.raises(BadRequest, match="name the folder to deploy"):
        read_tree(str(path), ())


def test_pipes_are_left_out(tmp_path: Path) -> None:
    """Reading one would wait for ever."""
    (tmp_path / "f").write_text("x")
    os.mkfifo(tmp_path / "pipe")
    assert set(read_tree(str(tmp_path), ())[0]) == {"f"}
