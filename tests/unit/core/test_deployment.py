"""Deployments: what is counted, and which state one goes back to."""

from typing import Any

import pytest

from autoloop.core.app import AppSpec
from autoloop.core.deployment import Comparison, changes_back, states_before
from autoloop.core.target import FileChange, FileState

FILE = FileState(kind="file", sha256="a" * 64)
OTHER = FileState(kind="file", sha256="b" * 64)
NONE = FileState()


def test_files_are_counted_by_what_becomes_of_them() -> None:
    """New, modified, deleted."""
    pairs = [(NONE, FILE), (FILE, OTHER), (FILE, OTHER), (OTHER, NONE)]
    changes = tuple(FileChange(path=str(n), before=b, after=a) for n, (b, a) in enumerate(pairs))
    made = Comparison(app="shop", source="/src", release="f" * 64, changes=changes)
    assert [made.count(kind) for kind in ("new", "modified", "deleted")] == [1, 2, 1]
    assert made.paths == ("0", "1", "2", "3")


@pytest.mark.parametrize(("backup", "said"), [("", f"release {'f' * 12}"), ("b", "backup b")])
def test_what_is_put_in_place_has_a_name(backup: str, said: str) -> None:
    """A release by the start of its hash, a backup by its id."""
    release = backup or "f" * 64
    made = Comparison(app="shop", source="x", release=release, changes=(), backup=backup)
    assert made.what == said


def test_states_before_deployments_come_newest_first() -> None:
    """What was saved for another reason is none."""
    rows = [
        {"id": "1", "at": 1, "reason": "d-1: before deploying abc"},
        {"id": "2", "at": 2, "reason": "i-1: CODE.syntax_error"},
        {"id": "3", "at": 3, "reason": "r-1: before going back to 1"},
        {"id": "4", "at": 4, "reason": "d-2: before deploying def"},
    ]
    assert states_before(rows) == ("4", "1")


def row(path: str) -> dict[str, Any]:
    """A path that differs."""
    return {"path": path, "good": FILE.model_dump(), "now": OTHER.model_dump()}


def test_going_back_leaves_configuration_alone_unless_asked(spec: AppSpec) -> None:
    """A person's new setting is not undone with the code."""
    drift = {"changes": [row("/srv/shop/app/x.py"), row("/srv/shop/app"), row("/etc/shop.env")]}
    code = changes_back(spec, drift, with_config=False)
    assert code == (FileChange(path="/srv/shop/app/x.py", before=OTHER, after=FILE),)
    assert len(changes_back(spec, drift, with_config=True)) == 3
