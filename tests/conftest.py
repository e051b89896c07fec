"""What several rooms share: a target of its own for each test, and ways to crash its agent."""

import contextlib
import os
import shutil
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from autoloop.agent.changing import Worker
from autoloop.agent.durable import Store
from autoloop.agent.files import ABSENT, tree_states
from autoloop.core.app import AppSpec
from autoloop.core.case import CaseResult, Reply
from autoloop.core.facts import (
    Certificate,
    ComponentFacts,
    DataLock,
    Disk,
    Drift,
    Facts,
    Holder,
    Memory,
    OpenFiles,
    Quota,
    Reached,
    SettingsDrift,
)
from autoloop.core.service import ServiceState
from autoloop.core.target import FileState

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

CUTS = ["replace", "fsync", "unlink", "rmdir", "mkdir", "symlink"]
CUTS += ["chmod", "fchmod", "fchown", "lchown"]
OP = "run/1/change"


class World:
    """A folder `tree` that is changed and a folder `state` that remembers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tree, self.state = folder / "tree", folder / "state"
        self.tree.mkdir(parents=True)
        self._fence = 0

    def states(self) -> dict[str, dict[str, Any]]:
        """All that is in the tree, leftovers of crashes too."""
        return tree_states(str(self.tree), [])

    def store(self) -> Store:
        """The state folder."""
        return Store(str(self.state))

    def worker(self, owner: str = "run", name: str = "t") -> Worker:
        """A worker that has just taken the lock, and so has put in order what it found."""
        worker = Worker(self.store())
        self._fence += 1
        fence = 1000 + self._fence
        asked = {"name": name, "fence": fence, "wait_s": 5, "owner": owner}
        worker.lock(asked, threading.Event())
        return worker

    def do(self, worker: Worker, op: str, action: dict[str, Any]) -> dict[str, Any]:
        """Carry one action out under lock `t`."""
        asked = {"op": op, "action": action, "lock": "t"}
        return worker.do(asked, threading.Event())  # type: ignore[no-any-return]

    def revert(self, worker: Worker, op: str) -> dict[str, Any]:
        """Put one operation back."""
        return worker.revert({"op": op, "lock": "t"}, threading.Event())  # type: ignore[no-any-return]

    def release(self, worker: Worker) -> None:
        """Let the next worker in."""
        worker.unlock({"name": "t"}, threading.Event())

    def lose_locks(self) -> None:
        """What the system does for a process that ends: its locks are free."""
        for handle in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(handle.readlink()).startswith(str(self.state / "locks")):
                    os.close(int(handle.name))

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


class PowerCut(BaseException):
    """Raised at the point of the cut, and at every change that clean-up still tries."""


def cut_here(world: World, point: int, work: Callable[[], object]) -> bool:
    """As `cut_at`, many times faster and without a process: nothing is changed after the cut."""
    left = [point]

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] <= 0:
                raise PowerCut
            return real(*args, **named)

        return call

    whole = {name: getattr(os, name) for name in CUTS}
    for name, real in whole.items():
        setattr(os, name, counted(real))
    try:
        work()
    except PowerCut:
        return True
    finally:
        for name, real in whole.items():
            setattr(os, name, real)
        if left[0] <= 0:
            world.lose_locks()
    return False


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """A file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def lay_before(tree: Path) -> None:
    """What the plan saw: of everything something."""
    write(tree / "replaced", "old")
    write(tree / "removed", "bye")
    write(tree / "untouched", "same")
    write(tree / "script.sh", "#!/bin/sh\n", 0o644)
    write(tree / "old_dir" / "inner" / "x", "x")
    write(tree / "dir_to_file" / "y", "y")
    write(tree / "file_to_dir", "z")
    (tree / "link").symlink_to("untouched")
    (tree / "old_link").symlink_to("nowhere")


def lay_after(tree: Path) -> None:
    """What the plan wants."""
    write(tree / "replaced", "new", 0o600)
    (tree / "removed").unlink()
    (tree / "script.sh").chmod(0o755)
    shutil.rmtree(tree / "old_dir")
    shutil.rmtree(tree / "dir_to_file")
    write(tree / "dir_to_file", "now a file")
    (tree / "file_to_dir").unlink()
    write(tree / "file_to_dir" / "child", "now a dir")
    write(tree / "new_dir" / "deep" / "a", "a")
    (tree / "link").unlink()
    (tree / "link").symlink_to("replaced")
    (tree / "old_link").unlink()
    (tree / "new_link").symlink_to("new_dir")
    write(tree / "added", "added")


class Scene:
    """A world at BEFORE, with the action that leads to AFTER."""

    def __init__(self, world: World, spare: Path) -> None:
        self.world, self.spare = world, spare
        lay_after_tree = world.tree
        lay_before(lay_after_tree)
        self.before = world.states()
        shutil.copytree(world.tree, spare / "tree0", symlinks=True)
        lay_after(lay_after_tree)
        self.after = world.states()
        store = world.store()
        for path, state in self.after.items():
            if state["kind"] == "file":
                store.keep(path)
        shutil.rmtree(world.tree)
        shutil.copytree(spare / "tree0", world.tree, symlinks=True)
        assert world.states() == self.before
        self.action = {"kind": "files", "changes": self._changes()}
        world.copy(spare / "start")

    def _changes(self) -> list[dict[str, Any]]:
        absent = ABSENT
        return [
            {"path": path, "before": old, "after": new}
            for path in sorted(set(self.before) | set(self.after))
            if (old := self.before.get(path, absent)) != (new := self.after.get(path, absent))
        ]

    def again(self) -> None:
        """Back to the start."""
        self.world.put(self.spare / "start")

    def act(self) -> dict[str, Any]:
        """One connection: take the lock, change, let go."""
        worker = self.world.worker()
        done: dict[str, Any] = self.world.do(worker, OP, self.action)
        self.world.release(worker)
        return done

    def undo(self) -> None:
        """One connection: take the lock, put back, let go."""
        worker = self.world.worker()
        self.world.revert(worker, OP)
        self.world.release(worker)

    def side(self) -> str:
        """On which side the tree is; anything else, leftovers included, is mixed."""
        now = self.world.states()
        return "before" if now == self.before else "after" if now == self.after else "mixed"

    def journal(self) -> str:
        """The operation's state, as the journal has it."""
        record = self.world.store().load_op(OP)
        return record["state"] if record else "none"


@pytest.fixture
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends loses nothing that was written: `fsync` is a point to cut at, no more."""
    monkeypatch.setattr(os, "fsync", lambda _handle: None)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where the system has one: thousands of small files are made in it."""
    shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=shared) as folder:
        yield Path(folder)


@pytest.fixture
def world(memory: Path, no_disk: None) -> World:
    """An empty world."""
    return World(memory / "world")


@pytest.fixture
def cut() -> Callable[[int, Callable[[], object]], bool]:
    """See `cut_at`."""
    return cut_at


@pytest.fixture
def quick_cut(world: World) -> Callable[[int, Callable[[], object]], bool]:
    """See `cut_here`."""
    return partial(cut_here, world)


@pytest.fixture
def scene(world: World, memory: Path) -> Scene:
    """A world at BEFORE."""
    spare = memory / "spare"
    spare.mkdir()
    return Scene(world, spare)


def shop(**more: Any) -> AppSpec:
    """An application of two components: a front that needs an app."""
    document: dict[str, Any] = {
        "name": "shop",
        "code": {"path": "/srv/shop/app"},
        "data": {"sqlite": ["/srv/shop/shop.db"]},
        "deploy": {
            "manifest": "requirements.txt",
            "install": ["shop", "install"],
            "environment": "/srv/shop/venv",
        },
        "components": [
            {
                "name": "front",
                "unit": "front.service",
                "port": 80,
                "tls": [443],
                "config": ["/etc/front.conf"],
                "config_test": ["front", "-t"],
                "needs": ["app"],
            },
            {
                "name": "app",
                "unit": "app.service",
                "port": 8080,
                "settings": "/etc/shop.env",
                "memory_mb": 200,
                "memory_max_mb": 400,
                "config": ["/etc/systemd/system/app.service"],
            },
        ],
        "procedures": [
            {
                "name": "migrations",
                "cures": "DATABASE.schema_mismatch",
                "component": "app",
                "check": ["shop", "migrations"],
                "apply": ["shop", "migrate"],
            }
        ],
        "space": [{"glob": "/srv/shop/old/*", "what": "old exports", "risk": "low"}],
        "cases": [{"name": "health", "url": "http://127.0.0.1/health"}],
    }
    return AppSpec.model_validate({**document, **more})


@pytest.fixture
def spec() -> AppSpec:
    """The application of most examples."""
    return shop()


GOOD = FileState(kind="file", sha256="a" * 64, mode=0o640)
NOW = FileState(kind="file", sha256="b" * 64, mode=0o640)


class Scenes:
    """Facts of the shop: all is well but for what is said."""

    spec = shop()

    def facts(
        self,
        *,
        front: Mapping[str, Any] | None = None,
        app: Mapping[str, Any] | None = None,
        holders: tuple[Holder, ...] | None = None,
        drift: tuple[Drift, ...] = (),
        status: int = 200,
        due: Mapping[str, str] | None = None,
        direct: Mapping[str, Reply] | None = None,
        reach: tuple[Reached, ...] = (),
        locks: tuple[DataLock, ...] = (),
        free: int = 10_000_000,
        damaged: Mapping[str, str] | None = None,
        failing: tuple[CaseResult, ...] = (),
        certificates: tuple[Certificate, ...] = (),
        open_files: Mapping[str, OpenFiles] | None = None,
        now: float = 0.0,
        ahead: float = 0.0,
        quotas: tuple[Quota, ...] = (),
    ) -> Facts:
        """Both run as processes 80 and 8080, which hold their ports."""
        parts = {}
        for name, pid, said in (("front", 80, front), ("app", 8080, app)):
            known = dict(said or {})
            log = known.pop("log", "")
            config_ok, config_says = known.pop("config_ok", None), known.pop("config_says", "")
            memory = Memory(bytes=known.pop("memory", 50_000_000), processes=2)
            service = ServiceState(**{"activity": "running", "pid": pid, **known})
            parts[name] = ComponentFacts(
                service=service,
                log=log,
                config_ok=config_ok,
                config_says=config_says,
                memory=memory,
            )
        own = (self.holder(80, 80), self.holder(8080, 8080))
        return Facts(
            components=parts,
            holders=own if holders is None else holders,
            drift=drift,
            health=Reply(status=status),
            due=dict(due or {}),
            damaged=dict(damaged or {}),
            failing=failing,
            direct=dict(direct or {}),
            reach=reach,
            locks=locks,
            certificates=certificates,
            open_files=dict(open_files or {}),
            now=now,
            ahead=ahead,
            disks=(
                Disk(
                    place="/srv",
                    paths=(str(self.spec.code and self.spec.code.path),),
                    free=free,
                    total=100_000_000,
                    quotas=quotas,
                ),
            ),
        )

    def holder(self, port: int, pid: int, **more: Any) -> Holder:
        """A process that listens."""
        known = {"address": "0.0.0.0", "started": 7, "ancestors": (pid,)}
        return Holder(**{"port": port, "pid": pid, **known, **more})

    def drift(self, path: str, settings: SettingsDrift | None = None, mode: str = "") -> Drift:
        """A file that is not as it was; with a *mode*, in octal, only that is different."""
        now = GOOD.model_copy(update={"mode": int(mode, 8)}) if mode else NOW
        return Drift(path=path, good=GOOD, now=now, settings=settings)


@pytest.fixture
def scenes() -> Scenes:
    """See `Scenes`."""
    return Scenes()
