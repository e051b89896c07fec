"""A worker's name and its children, on disk: one holder of a name, no child left behind.

The file is locked as long as the worker lives and lists its children. A worker that finds
children of its killed predecessor ends them before it looks at any run.
"""

import contextlib
import fcntl
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from autoloop.core.errors import AutoloopError
from autoloop.worker.process import ProcessId


class WorkerNameTaken(AutoloopError, RuntimeError):
    """Another worker of this machine has the name; two of one name would steal runs."""

    code = 5007


class ChildWillNotDie(AutoloopError, RuntimeError):
    """A predecessor's child survives SIGKILL, so its run must not be started again."""

    code = 5008


class Roster:
    """The open, locked file of one worker."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self.path = path

    @classmethod
    def hold(cls, folder: Path, name: str) -> Self:
        """Take the name, or raise WorkerNameTaken."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / (re.sub(r"[^\w.-]", "_", name) + ".json")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise WorkerNameTaken(
                f"worker {name!r}", f"{path} is locked", "give this worker another name"
            ) from None
        return cls(descriptor, path)

    def read(self) -> list[ProcessId]:
        """Children written last; none when the file is new or was cut short by a crash."""
        text = os.pread(self._descriptor, 1 << 20, 0)
        entries: list[str] = []
        with contextlib.suppress(ValueError):
            entries = json.loads(text or "[]")
        return [child for entry in entries if (child := ProcessId.parse(entry))]

    def write(self, children: Iterable[ProcessId]) -> None:
        """Replace the list. One write, so that a killed worker leaves a whole one."""
        data = json.dumps([str(child) for child in children]).encode()
        os.pwrite(self._descriptor, data.ljust(self._size(), b" "), 0)

    def bury(self) -> list[ProcessId]:
        """End all children of an earlier holder, with what they started; those found alive."""
        listed = self.read()
        alive = [child for child in listed if child.alive()]
        for child in listed:
            child.kill_group()
            if not child.kill():
                raise ChildWillNotDie(str(child), "alive after SIGKILL", "find what it waits for")
        self.write([])
        return alive

    def release(self) -> None:
        """Give the name back."""
        os.close(self._descriptor)

    def _size(self) -> int:
        return os.fstat(self._descriptor).st_size
