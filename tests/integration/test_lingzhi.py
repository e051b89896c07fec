"""The demo application's own tests, on each database that it can use."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoloop.arena.ports import free_port

APP = Path(__file__).parents[2] / "examples/lingzhi/app"
INITDB = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def run(*words: object, **more: str) -> None:
    """Run a command to its end; what it said is in the failure."""
    argv = [str(word) for word in words]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | more
    done = subprocess.run(argv, env=environment, cwd=APP, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with what the application and its tests need."""
    folder: Path = tmp_path_factory.mktemp("lingzhi") / "venv"
    run(sys.executable, "-m", "venv", folder)
    files = [f"--requirement={APP}/requirements-{name}.txt" for name in ("test", "postgres")]
    run(folder / "bin/pip", "install", "--quiet", *files)
    return folder / "bin/python"


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty database of a PostgreSQL of our own; it refuses to be run by root."""
    if not INITDB:
        pytest.skip("PostgreSQL's programs are missing: postgresql")
    folder, programs, port = Path("/tmp", f"lingzhi-{os.getpid()}"), INITDB[-1].parent, free_port()
    as_owner = ["runuser", "-u", "nobody", "--"] if os.geteuid() == 0 else []
    run(*as_owner, programs / "initdb", "-D", folder, "-U", "lingzhi", "-A", "trust", "--no-sync")
    options = f"-p {port} -k '' -c listen_addresses=127.0.0.1 -c fsync=off"
    pg_ctl = [*as_owner, programs / "pg_ctl", "-D", folder, "-w", "-l", folder / "log"]
    run(*pg_ctl, "-o", options, "start")
    try:
        run(programs / "createdb", "-h", "127.0.0.1", "-p", port, "-U", "lingzhi", "lingzhi")
        yield f"postgresql+psycopg://lingzhi@127.0.0.1:{port}/lingzhi"
    finally:
        run(*pg_ctl, "-m", "immediate", "stop")
        run(*as_owner, "rm", "-rf", folder)


PYTEST = ("-B", "-m", "pytest", "-q", "-p", "no:cacheprovider")


def test_they_pass_on_sqlite(python: Path) -> None:
    """Its default."""
    run(python, *PYTEST)


def test_they_pass_on_postgresql(python: Path, cluster: str) -> None:
    """Migrations, demo data, constraints: the same."""
    run(python, *PYTEST, TEST_DATABASE_URL=cluster)
