"""What runs in a child: it gets ready, waits for one flow run, performs it, and ends.

It dies with its worker. The kernel kills it when its parent dies; should that not be, the end of
the pipe tells it. So a run that the next worker resumes never goes on in an old process.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from prefect.client.schemas.objects import FlowRun
from prefect.context import (
    AsyncClientContext,
    SyncClientContext,
    refresh_global_settings_context,
)
from prefect.engine import handle_engine_signals
from prefect.flow_engine import load_flow, run_flow
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.logging.loggers import flow_run_logger

from autoloop.worker import preload
from autoloop.worker.policy import UNREACHABLE, Why
from autoloop.worker.transport import is_passing, make_clients_quick, quick, quick_sync

PR_SET_PDEATHSIG = 1
ORPHAN_GRACE_S = 1.0
INTENTS = {"cancel": "cancel", "drain": "reschedule", None: "relinquish"}
"""Prefect's names for why a run is being stopped; None: the worker is gone."""


@dataclass(frozen=True)
class Ready:
    """A child's first and only message: threads of the fork server, imports that failed."""

    threads: int
    failures: list[str]


@dataclass(frozen=True)
class Job:
    """The one flow run that a child performs.

    Attributes:
        entrypoint: Module path of the flow; None to ask the deployment, which may pull code.
    """

    flow_run_id: UUID
    entrypoint: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    working_dir: str | None = None


def main(conn: Connection, patience_s: float) -> None:
    """A child's life."""
    os.setsid()
    die_with_parent()
    make_clients_quick(patience_s)
    shared = client(patience_s)  # before there is a job, as it costs 20 ms
    conn.send(Ready(threads_of(os.getppid()), preload.FAILURES))
    try:
        job = conn.recv()
    except (EOFError, OSError):
        os._exit(0)
    threading.Thread(target=listen, args=(conn,), daemon=True).start()
    perform(job, shared, patience_s)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies, and the fork server with the worker.

    The fork server ends when the last holder of its pipe does; a child must not be one.
    """
    server: Any = getattr(forkserver, "_forkserver", None)
    descriptor = getattr(server, "_forkserver_alive_fd", None)
    if descriptor is not None:
        os.close(descriptor)
        server._forkserver_alive_fd = None
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def threads_of(pid: int) -> int:
    """How many threads a process has; more than one in a fork server is a danger."""
    try:
        return len(list(Path(f"/proc/{pid}/task").iterdir()))
    except OSError:
        return 1


def listen(conn: Connection) -> None:
    """Stop the run when the worker says so, or when the worker is gone."""
    while True:
        why: Why | None
        try:
            why = conn.recv()
        except (EOFError, OSError):
            why = None
        set_intent(INTENTS[why])
        os.kill(os.getpid(), signal.SIGTERM)
        if why is None:
            time.sleep(ORPHAN_GRACE_S)
            os.killpg(0, signal.SIGKILL)


def set_intent(intent: str) -> None:
    """Tell Prefect's engine what the coming SIGTERM means.

    The name is private. Without it a SIGTERM reads as a crash, and the worker puts that right.
    """
    with contextlib.suppress(ImportError, AttributeError):
        from prefect._internal import control_listener

        control_listener._set_intent(intent)  # type: ignore[arg-type]


def perform(job: Job, shared: SyncClientContext, patience_s: float) -> None:
    """Run the flow; a flow that fails is no failure of the child.

    Raises:
        SystemExit: with a code other than 0 when the run's state could not be reported.
    """
    if settle_in(job):
        shared = client(patience_s)
    with handle_engine_signals(job.flow_run_id):
        try:
            with shared:
                flow_run = shared.client.read_flow_run(job.flow_run_id)
                drive(flow_of(job, flow_run), flow_run, patience_s)
        except httpx.HTTPError as error:
            if not is_passing(error):
                raise
            print(f"flow run {job.flow_run_id}: API lost: {error!r}", file=sys.stderr)
            os._exit(UNREACHABLE)


def settle_in(job: Job) -> bool:
    """Take on the job's environment and directory. True when that changed Prefect's settings."""
    os.environ.update(job.env)
    changed = any(key.startswith("PREFECT_") and not key.startswith("PREFECT__") for key in job.env)
    if changed:
        refresh_global_settings_context()
    if job.working_dir:
        os.chdir(job.working_dir)
        sys.path.insert(0, job.working_dir)
    return changed


def flow_of(job: Job, flow_run: FlowRun) -> Flow[..., Any]:
    """The flow to run. What goes wrong is written to the run's own log."""
    try:
        if job.entrypoint:
            return load_flow_from_entrypoint(job.entrypoint, use_placeholder_flow=False)
        return load_flow(flow_run)
    except Exception:
        flow_run_logger(flow_run).exception("The flow could not be loaded")
        raise


def drive(flow: Flow[..., Any], flow_run: FlowRun, patience_s: float) -> None:
    """Run it to its end; asynchronous ones in this, the main thread, where signals arrive."""
    result: Any = run_flow(flow, flow_run=flow_run, return_type="state")
    if asyncio.iscoroutine(result) or hasattr(result, "__aiter__"):
        asyncio.run(drain_async(result, patience_s))
    elif hasattr(result, "__next__"):
        for _ in result:
            pass


async def drain_async(result: Any, patience_s: float) -> None:
    """Await a flow, or take all that an asynchronous generator yields."""
    async with async_client(patience_s):
        if asyncio.iscoroutine(result):
            await result
        else:
            async for _ in result:
                pass


def client(patience_s: float) -> SyncClientContext:
    """The client of the run's engine and tasks, with quick retries."""
    shared = SyncClientContext(httpx_settings=quick_sync(patience_s))
    shared._httpx_settings = None  # or get_client() would not hand it out
    return shared


@contextlib.asynccontextmanager
async def async_client(patience_s: float) -> AsyncIterator[None]:
    """The same for asynchronous flows."""
    async with AsyncClientContext(httpx_settings=quick(patience_s)) as shared:
        shared._httpx_settings = None
        yield
