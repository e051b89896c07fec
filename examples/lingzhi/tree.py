"""What lies under the root of a local lingzhi, and how it is made."""

import hashlib
import os
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

SUPERVISOR = "supervisor==4.3.0"

SETTINGS = "etc/lingzhi.env"
DATABASE = "data/lingzhi_ecosystem.db"
LOGS = {name: f"log/{name}.log" for name in ("access", "error", "app", "supervisor-lingzhi")}


class CannotRun(RuntimeError):
    """Something that lingzhi needs is missing or broken; the message says what to do."""


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def run(argv: list[str], **options: Any) -> str:
    """Run a command to its end; what it printed, or `CannotRun` with its last lines."""
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-15:])
        raise CannotRun(f"{' '.join(argv)}: exit code {done.returncode}\n{tail}")
    return str(done.stdout)


def plain_environment() -> dict[str, str]:
    """The caller's environment without what could pass for a setting of the app."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ}


def program(root: Path, name: str) -> str:
    """The path of a program in the virtual environment."""
    return str(root / "venv/bin" / name)


def usable_root(given: str) -> Path:
    """The absolute root, refused when a shell or supervisord would misread it."""
    root = Path(given).expanduser().resolve()
    if not re.fullmatch(r"[A-Za-z0-9/._+@=~-]+", str(root)) or root == Path("/"):
        raise CannotRun(
            f"{str(root)!r}: a path with a space or another special character cannot be quoted "
            "safely everywhere - choose a folder of letters, digits and . _ + @ = ~ -"
        )
    return root


def make_folders(root: Path) -> None:
    """The tree, with a copy of the app in it unless there is one."""
    for name in ("data", "etc", "log", "run"):
        (root / name).mkdir(parents=True, exist_ok=True)
    if not (root / "app").exists():
        say(f"copying the app to {root}/app")
        droppings = shutil.ignore_patterns("__pycache__", ".pytest_cache", "*.pyc")
        shutil.copytree(Path(__file__).resolve().parent / "app", root / "app", ignore=droppings)


def make_venv(root: Path) -> None:
    """The virtual environment, unless it was made from the same requirements already."""
    requirements, stamp = root / "app/requirements.txt", root / "venv/.made-from"
    made_from = f"{sys.version}\n{SUPERVISOR}\n{requirements.read_text()}"
    digest = hashlib.sha256(made_from.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    if sys.version_info < (3, 11):  # noqa: UP036 - the Python that was found may be older
        raise CannotRun(f"Python {sys.version.split()[0]}: too old - run with 3.11 or newer")
    say("making the virtual environment")
    run([sys.executable, "-m", "venv", str(root / "venv")])
    pip = [program(root, "python"), "-m", "pip", "install", "--quiet"]
    quiet = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    run([*pip, "--requirement", str(requirements), SUPERVISOR], env=quiet)
    stamp.write_text(digest)


def make_settings(root: Path) -> None:
    """The settings file, readable by its owner only, unless there is one."""
    if (root / SETTINGS).exists():
        return
    settings = {
        "DATABASE_URL": f"sqlite:///{root / DATABASE}",
        "SECRET_KEY": secrets.token_hex(32),
        "JWT_TTL_S": "3600",
        "LINGZHI_LOG_DIR": str(root / "log"),
    }
    only_mine = os.open(root / SETTINGS, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(only_mine, "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in settings.items())


def make_database(root: Path) -> None:
    """The database at the newest migration, with the demo data in it."""
    with_settings = ["/bin/sh", "-c", f'set -a; . {root / SETTINGS}; exec "$@"', "sh"]
    python = [*with_settings, program(root, "python")]
    for step in (["-m", "alembic", "upgrade", "head"], ["seed.py"]):
        run([*python, *step], cwd=root / "app", env=plain_environment())
