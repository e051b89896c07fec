"""Which applications are being worked on here, by locks on files that die with their process."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autoloop.settings import settings


@contextmanager
def alone(kind: str, app: str) -> Iterator[bool]:
    """Whether this is the only process that does this *kind* of work on *app*; never waits."""
    with _opened(kind, app) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def changing(app: str) -> Iterator[None]:
    """Let others know that *app* is being changed on purpose, and when that began and ended."""
    with _opened("changing", app) as handle:
        fcntl.flock(handle, fcntl.LOCK_SH)
        os.utime(handle)
        try:
            yield
        finally:
            os.utime(handle)


def changed_since(app: str, moment: float) -> bool:
    """Whether *app* is being changed, or was at any time after *moment* (seconds since 1970)."""
    with _opened("changing", app) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return os.fstat(handle).st_mtime >= moment


@contextmanager
def _opened(kind: str, app: str) -> Iterator[int]:
    path: Path = settings().home / kind / f"{app}.lock"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    new = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if new:
            os.utime(handle, (0, 0))
        yield handle
    finally:
        os.close(handle)
