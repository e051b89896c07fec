"""What ``make setup`` must not do."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_an_environment_that_another_tree_uses_is_not_emptied(tmp_path: Path) -> None:
    """`.venv` is a link to it; the error says so."""
    tree, other = tmp_path / "tree", tmp_path / "other"
    tree.mkdir()
    other.mkdir()
    (other / "kept").touch()
    (tree / ".venv").symlink_to(other)
    for name in ("Makefile", "pyproject.toml", "requirements-dev.lock"):
        shutil.copy(ROOT / name, tree)
    done = subprocess.run(["make", "setup"], cwd=tree, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert str(other) in done.stderr
    assert (other / "kept").exists()
