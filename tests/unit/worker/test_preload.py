"""A package is imported whole, and broken files spoil nothing else."""

import json
import os
import sys
from pathlib import Path

import pytest

from autoloop.worker import preload


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package with a good module, a broken one, and one that must not run."""
    name = f"trial_{tmp_path.name.replace('-', '_')}"
    folder = tmp_path / name
    (folder / "inner").mkdir(parents=True)
    for path in ("__init__.py", "good.py", "inner/__init__.py", "inner/deep.py"):
        (folder / path).touch()
    (folder / "broken.py").write_text("this is no Python\n")
    (folder / "__main__.py").write_text("raise SystemExit('ran')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def test_all_modules_are_imported_and_failures_are_named(package: str) -> None:
    """One line for each."""
    failures = preload.import_whole(package)
    assert [line.split(":")[0] for line in failures] == [f"{package}.broken"]
    assert {f"{package}.good", f"{package}.inner.deep"} <= sys.modules.keys()
    assert f"{package}.__main__" not in sys.modules


def test_a_missing_module_is_a_failure_and_no_error() -> None:
    """The worker starts all the same."""
    assert preload.import_whole("no_such_module")[0].startswith("no_such_module: ModuleNotFound")


def test_the_order_is_announced_only_while_a_process_starts() -> None:
    """Grandchildren must not inherit it."""
    with preload.announced(["flows"], {"A": "1"}):
        order = json.loads(os.environ[preload.VARIABLE])
    assert order == {"path": sys.path, "modules": ["flows"], "env": {"A": "1"}}
    assert preload.VARIABLE not in os.environ
