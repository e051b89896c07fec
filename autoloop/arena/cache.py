"""The arena's own folder outside the repository, and the locks that let drills share it."""

import fcntl
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from autoloop.arena.errors import MissingPart
from autoloop.arena.progress import say

MOUNTABLE = re.compile(r"[^\s,:\\]+")


def cache_folder() -> Path:
    """AUTOLOOP_ARENA_CACHE, or autoloop/arena in the user's cache."""
    chosen = os.environ.get("AUTOLOOP_ARENA_CACHE")
    usual = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "autoloop" / "arena"
    folder = (Path(chosen) if chosen else usual).expanduser().resolve()
    if not MOUNTABLE.fullmatch(str(folder)):
        raise MissingPart(
            "AUTOLOOP_ARENA_CACHE",
            f"{str(folder)!r} holds a blank, comma, colon or backslash",
            "choose a folder that mount options can name",
        )
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, across threads and processes; the kernel lets go for the dead."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """The finished `folder`; `make` fills it under another name if it is not there yet.

    Only a finished folder ever bears the name. What a killed `make` left is thrown away by
    the next one.
    """
    if folder.is_dir():
        return folder
    with locked(folder.with_name(folder.name + ".lock")):
        if folder.is_dir():
            return folder
        say(f"making {folder.name}")
        part = folder.with_name(folder.name + ".part")
        remove(part)
        part.mkdir(parents=True)
        make(part)
        subprocess.run(["sync", "-f", str(part)], check=True)
        part.rename(folder)
    return folder


def remove(folder: Path) -> None:
    """Delete the folder, but nothing that is mounted below it."""
    subprocess.run(["rm", "-rf", "--one-file-system", "--", str(folder)], check=True)
