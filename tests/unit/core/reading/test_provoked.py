"""Real programs, broken on purpose: what they print is read as what was done to them."""

import shutil
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from autoloop.core.reading import text_engine


def top(text: str) -> tuple[str, str]:
    """Name and culprit of the most likely cause."""
    cause = text_engine().read(text)[0]
    return cause.name, cause.culprit


def python(folder: Path, code: str) -> str:
    """What Python prints when it runs *code*."""
    (folder / "shop.py").write_text(code)
    argv = [sys.executable, "shop.py"]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True).stderr


@pytest.mark.parametrize(
    ("code", "name", "culprit"),
    [
        ("import shopkit", "CODE.import_error", "shopkit"),
        ("def f(:\n  pass", "CODE.syntax_error", "shop.py:1"),
        ("{}['x']", "CODE.runtime_error", "shop.py:1"),
        ("import os\nos.environ['SHOP_URL']", "CONFIG.env_missing", "SHOP_URL"),
        ("open('/no/such.conf')", "CONFIG.missing_file", "/no/such.conf"),
        ("b'\\xff'.decode()", "CODE.encoding_error", "shop.py:1"),
        ("assert 1 == 2", "CODE.logic_error", "shop.py:1"),
        ("[0] * (1 << 62)", "SERVICE.memory_leak", ""),
        ("print('0 errors', file=__import__('sys').stderr)", "NONE.benign", ""),
    ],
)
def test_python(tmp_path: Path, code: str, name: str, culprit: str) -> None:
    """The interpreter itself; a path ends with what is named."""
    found, about = top(python(tmp_path, code))
    assert found == name
    assert about.endswith(culprit)


def test_a_port_in_use(tmp_path: Path) -> None:
    """http.server on a port that this test holds."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = str(held.getsockname()[1])
        argv = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", port]
        said = subprocess.run(argv, capture_output=True, text=True, timeout=20).stderr
    assert top(said)[0] == "SERVICE.port_blocked"


@pytest.mark.parametrize(
    ("statement", "name", "culprit"),
    [
        ("SELECT * FROM orders", "DATABASE.schema_mismatch", "orders"),
        ("SELEC 1", "CODE.syntax_error", ""),
        ("INSERT INTO t VALUES (NULL)", "CODE.logic_error", "t.x"),
    ],
)
def test_sqlite(statement: str, name: str, culprit: str) -> None:
    """What the library says."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE t (x INTEGER NOT NULL)")
    with pytest.raises(sqlite3.Error) as caught:
        database.execute(statement)
    database.close()
    found, about = top(f"sqlite3.{type(caught.value).__name__}: {caught.value}")
    assert found == name
    assert culprit in about


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    """SQLite on a text."""
    (tmp_path / "shop.db").write_text("no database at all " * 100)
    database = sqlite3.connect(tmp_path / "shop.db")
    with pytest.raises(sqlite3.DatabaseError) as caught:
        database.execute("SELECT 1 FROM t")
    database.close()
    assert top(str(caught.value))[0] == "DATABASE.data_corruption"


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("require('shopkit')", "CODE.import_error"),
        ("null.total", "CODE.runtime_error"),
        ("let = ;", "CODE.syntax_error"),
        ("require('fs').readFileSync('/no/such.json')", "CONFIG.missing_file"),
    ],
)
def test_node(tmp_path: Path, code: str, name: str) -> None:
    """The interpreter itself."""
    (tmp_path / "shop.js").write_text(code)
    argv = ["node", str(tmp_path / "shop.js")]
    said = subprocess.run(argv, capture_output=True, text=True, timeout=60).stderr
    assert top(said)[0] == name
