"""Children that are ready: the pool starts them, hands them out one by one, and sees them die."""

import asyncio
import atexit
import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any, cast

from prefect.logging import get_logger

from autoloop.core.errors import AutoloopError
from autoloop.worker import child as inside
from autoloop.worker import preload
from autoloop.worker.child import Job, Ready
from autoloop.worker.policy import SERVER_LOST, Ending, Policy, Why, backoff, idle_wanted
from autoloop.worker.process import ProcessId
from autoloop.worker.roster import Roster

log = get_logger("worker.warm")


class NoChild(AutoloopError, RuntimeError):
    """No child became ready within the time that a run may wait for one."""

    code = 5009


class Child:
    """One process as the worker sees it: starting, idle, busy, dead."""

    def __init__(self, process: Any, conn: Connection) -> None:
        self._process = process
        self._conn = conn
        self.id = ProcessId.of(process.pid) or ProcessId("", process.pid, "gone-0")
        self.ready: Ready | None = None
        self.why: Why | None = None
        self.code: int | None = None
        self.started = asyncio.Event()  # ready, or dead before it was
        self.done = asyncio.Event()

    def watch(
        self, on_ready: Callable[["Child"], None], on_dead: Callable[["Child"], None]
    ) -> None:
        """Call back from the event loop when it is ready and when it is dead."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._conn.fileno(), self._hear, on_ready)
        loop.add_reader(self._process.sentinel, self._bury, on_dead)

    def give(self, job: Job) -> None:
        """Let it perform a run. A child that died meanwhile shows it by ``done``."""
        with contextlib.suppress(OSError):
            self._conn.send(job)

    def stop(self, why: Why, grace_s: float) -> None:
        """Ask it to stop; kill it, with what it started, when the grace is over."""
        self.why = why
        with contextlib.suppress(OSError):
            self._conn.send(why)
        asyncio.get_running_loop().call_later(grace_s, self.kill)

    def kill(self) -> None:
        """Kill it at once, with what it started."""
        if not self.done.is_set():
            self.id.kill_group()
            self.id.kill(wait_s=0.0)

    @property
    def ending(self) -> Ending:
        """How it ended; valid once it is done."""
        return Ending(SERVER_LOST if self.code is None else self.code, self.why)

    def _hear(self, on_ready: Callable[["Child"], None]) -> None:
        asyncio.get_running_loop().remove_reader(self._conn.fileno())
        with contextlib.suppress(EOFError, OSError):
            self.ready = self._conn.recv()
            self.started.set()
            on_ready(self)

    def _bury(self, on_dead: Callable[["Child"], None]) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._process.sentinel)
        loop.remove_reader(self._conn.fileno())
        self._process.join(1)
        self.code = self._process.exitcode
        if self.code != 0 or self.why:  # the fork server may be lost and the child not
            self.id.kill_group()
            self.id.kill(wait_s=1.0)
        self._conn.close()
        self.started.set()
        self.done.set()
        on_dead(self)


class Pool:
    """Keeps children ready. Belongs to one event loop; call ``open`` and ``close``."""

    def __init__(self, limit: int, modules: Sequence[str], policy: Policy, roster: Roster) -> None:
        self._limit = limit
        self._modules = modules
        self._policy = policy
        self._roster = roster
        self._children: set[Child] = set()
        self._busy: set[Child] = set()
        self._idle: asyncio.Queue[Child] = asyncio.Queue()
        self._failures = 0
        self._wanted = asyncio.Event()
        self._warned = False
        self._tending: asyncio.Task[None] | None = None
        # One thread: children start one after the other, and the loop never waits for a fork.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="autoloop-fork")

    @property
    def healthy(self) -> bool:
        """Whether children start; while they do not, the worker takes no work."""
        return self._failures == 0 or not self._idle.empty()

    def open(self, env: dict[str, str]) -> None:
        """Begin to keep children ready; they get ``env`` on top of the worker's own."""
        context = multiprocessing.get_context(self._policy.method)
        if self._policy.method == "forkserver":
            context.set_forkserver_preload(["autoloop.worker.preload"])
        atexit.register(self._kill_all)  # or multiprocessing waits for idle children for ever
        self._tending = asyncio.create_task(self._tend(context, env))

    async def take(self) -> Child:
        """A ready child, which the caller then owns; NoChild when there is none for too long."""
        try:
            async with asyncio.timeout(self._policy.take_s):
                child = await self._idle.get()
                while child.done.is_set():
                    child = await self._idle.get()
        except TimeoutError:
            self._failed("a run waited for a child in vain")
            raise NoChild(
                "warm worker",
                f"no child became ready in {self._policy.take_s:g} s",
                "read the worker's log for why children do not start",
            ) from None
        self._busy.add(child)
        self._wanted.set()
        return child

    def put_back(self, child: Child) -> None:
        """Return a child that was given no job."""
        self._busy.discard(child)
        self._idle.put_nowait(child)

    async def close(self) -> None:
        """End all children and start no more."""
        if self._tending:
            self._tending.cancel()
            await asyncio.gather(self._tending, return_exceptions=True)
        await asyncio.to_thread(self._starter.shutdown)
        self._kill_all()
        waits = [child.done.wait() for child in self._children]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*waits), 5)
        atexit.unregister(self._kill_all)

    async def _tend(self, context: BaseContext, env: dict[str, str]) -> None:
        while True:
            self._wanted.clear()
            await asyncio.sleep(backoff(self._failures, 0.5, 30))
            if len(self._children - self._busy) < idle_wanted(self._limit, len(self._busy)):
                await self._start(context, env)
            else:
                await self._wanted.wait()

    async def _start(self, context: BaseContext, env: dict[str, str]) -> None:
        try:
            process, conn = await self._launched(context, env)
        except Exception as error:  # fork, memory, a fork server that dies while it imports
            self._failed(f"{type(error).__name__}: {error}")
            return
        child = Child(process, conn)
        self._children.add(child)
        self._roster.write(each.id for each in self._children)
        child.watch(self._on_ready, self._on_dead)
        asyncio.get_running_loop().call_later(self._policy.start_s, self._give_up, child)
        if self._failures:  # one at a time until one succeeds
            await child.started.wait()

    async def _launched(self, context: BaseContext, env: dict[str, str]) -> tuple[Any, Connection]:
        launching = asyncio.get_running_loop().run_in_executor(
            self._starter, launch, context, self._modules, env, self._policy.patience_s
        )
        await asyncio.wait({launching}, timeout=self._policy.start_s)
        while not launching.done():
            log.error("the fork server does not answer: an import hangs?")
            if not self._busy:
                kill_fork_server()
            await asyncio.wait({launching}, timeout=self._policy.start_s)
        return await launching

    def _on_ready(self, child: Child) -> None:
        self._failures = 0
        self._idle.put_nowait(child)
        ready = child.ready
        if ready and not self._warned and (ready.failures or ready.threads > 1):
            self._warned = True
            for failure in ready.failures:
                log.warning("not preloaded: %s", failure)
            if ready.threads > 1 and self._policy.method == "forkserver":
                log.warning(
                    "the fork server has %d threads, a preloaded module starts them: "
                    "children may hang - set the method to spawn",
                    ready.threads,
                )

    def _on_dead(self, child: Child) -> None:
        self._children.discard(child)
        self._roster.write(each.id for each in self._children)
        if child in self._busy:
            self._busy.discard(child)
        elif not child.why:
            self._failed(f"exit code {child.code} before any work")
        self._wanted.set()

    def _give_up(self, child: Child) -> None:
        if child.ready is None and not child.done.is_set():
            log.error("child %s is not ready after %g s", child.id, self._policy.start_s)
            child.kill()

    def _failed(self, reason: str) -> None:
        self._failures += 1
        wait = backoff(self._failures, 0.5, 30)
        log.error("a child did not start: %s - next attempt in %.1f s", reason, wait)

    def _kill_all(self) -> None:
        for child in list(self._children):
            child.why = child.why or "drain"
            child.kill()


def launch(
    context: BaseContext, modules: Sequence[str], env: dict[str, str], patience_s: float
) -> tuple[Any, Connection]:
    """Start one child; blocks for as long as a fork takes, or the fork server's imports."""
    ours, theirs = context.Pipe()
    process = cast(Any, context).Process(
        target=inside.main, args=(theirs, patience_s), name="autoloop-run"
    )
    try:
        with preload.announced(modules, env), without_main():
            process.start()
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    return process, ours


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Keep multiprocessing from importing the program that started the worker in each child."""
    names = vars(sys.modules["__main__"])
    kept: dict[str, Any] = {name: names[name] for name in ("__spec__", "__file__") if name in names}
    names.update(dict.fromkeys(kept))
    try:
        yield
    finally:
        names.update(kept)


def kill_fork_server() -> None:
    """End a fork server that hangs; the next start makes a new one."""
    pid = getattr(getattr(forkserver, "_forkserver", None), "_forkserver_pid", None)
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
