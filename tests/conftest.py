"""A target of its own for each test: a tree, a state folder, and workers on it."""

import os
import shutil
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autoloop.agent import remote

CUTS = ["replace", "fsync", "unlink", "rmdir", "mkdir", "symlink"]
CUTS += ["chmod", "fchmod", "fchown", "lchown"]


class World:
    """A folder `tree` that is changed and a folder `state` that remembers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree, self.state = folder / "tree", folder / "state"
        self.tree.mkdir(parents=True)
        self._fence = 0

    def states(self) -> dict[str, dict[str, Any]]:
        """All that is in the tree, leftovers of crashes too."""
        return remote.tree_states(str(self.tree), [])

    def store(self) -> remote.Store:
        """The state folder."""
        return remote.Store(str(self.state))

    def worker(self, owner: str = "run", name: str = "t") -> remote.Worker:
        """A worker that has just taken the lock, and so has put in order what it found."""
        worker = remote.Worker(self.store())
        self._fence += 1
        fence = 1000 + self._fence
        asked = {"name": name, "fence": fence, "wait_s": 5, "owner": owner}
        worker.lock(asked, threading.Event())
        return worker

    def do(self, worker: remote.Worker, op: str, action: dict[str, Any]) -> dict[str, Any]:
        """Carry one action out under lock `t`."""
        asked = {"op": op, "action": action, "lock": "t"}
        return worker.do(asked, threading.Event())  # type: ignore[no-any-return]

    def revert(self, worker: remote.Worker, op: str) -> dict[str, Any]:
        """Put one operation back."""
        return worker.revert({"op": op, "lock": "t"}, threading.Event())  # type: ignore[no-any-return]

    def release(self, worker: remote.Worker) -> None:
        """Let the next worker in."""
        worker.unlock({"name": "t"}, threading.Event())

    def settle(self, owner: str = "run") -> None:
        """What the next connection does first: take the lock, and so put things in order."""
        self.release(self.worker(owner))

    def copy(self, folder: Path) -> "World":
        """The same world, byte for byte, at the same path as before once moved there by `put`."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder, symlinks=True)
        return self

    def put(self, folder: Path) -> None:
        """Become again what `copy` kept in *folder*."""
        shutil.rmtree(self.folder)
        shutil.copytree(folder, self.folder, symlinks=True)


def cut_at(point: int, work: Callable[[], object]) -> bool:
    """Run *work* in a process that ends at its n-th change of the file system; whether it did."""
    child = os.fork()
    if child:
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, 77), f"the child ended with {code}"
        return code == 77
    try:
        left = [point]

        def counted(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **named: Any) -> Any:
                left[0] -= 1
                if left[0] == 0:
                    os._exit(77)
                return real(*args, **named)

            return call

        for name in CUTS:
            setattr(os, name, counted(getattr(os, name)))
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends loses nothing that was written: `fsync` is a point to cut at, no more."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """An empty world."""
    return World(tmp_path / "world")


@pytest.fixture
def cut() -> Callable[[int, Callable[[], object]], bool]:
    """See `cut_at`."""
    return cut_at
