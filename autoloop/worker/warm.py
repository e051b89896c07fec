"""The warm worker: a Prefect worker that hands each flow run to a child that is ready.

``work`` runs it until told to stop, in the event loop of whoever calls it.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from logging import DEBUG, WARNING
from typing import Any, cast
from uuid import UUID

import anyio
import anyio.abc
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import InfrastructureNotFound
from prefect.logging import get_logger
from prefect.settings import get_current_settings
from prefect.workers.base import BaseWorker

from autoloop.worker.attempt import Attempt
from autoloop.worker.job import WarmConfiguration, WarmResult, WarmVariables
from autoloop.worker.lease import Lease
from autoloop.worker.policy import Policy, backoff
from autoloop.worker.pool import NoChild, Pool
from autoloop.worker.recovery import Recovery
from autoloop.worker.roster import Roster, WorkerNameTaken
from autoloop.worker.runs import Runs, state_in
from autoloop.worker.transport import quick
from autoloop.worker.waiting import any_of, unless

log = get_logger("worker.warm")
SETTLING_S = 5.0
"""Time for last words to the API once all children of a stopping worker are gone."""
RETRY_S = 0.2
"""First wait after a look for work that failed; it doubles up to the poll's interval."""
RENEW_S = 10.0
"""Between two looks at the worker's own heartbeat, at most."""
CHILD_ENV = {"PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED": "false"}
"""The worker asks once for the server's version; not each run again."""


class WarmWorker(BaseWorker[WarmConfiguration, WarmVariables, WarmResult]):
    """Takes flow runs of one work pool and performs each in a fresh, pre-imported process."""

    type = "warm"
    job_configuration = WarmConfiguration
    job_configuration_variables = WarmVariables
    _description = "Runs each flow in a process that has imported it already."

    def __init__(
        self,
        *args: Any,
        modules: Sequence[str] = ("flows",),
        policy: Policy | None = None,
        **kwargs: Any,
    ) -> None:
        kwargs["limit"] = kwargs.get("limit") or 4
        kwargs["prefetch_seconds"] = 0  # a run fetched early would hold a child until its time
        super().__init__(*args, **kwargs)
        self._modules = modules
        self._policy = policy or Policy()
        self._attempts: dict[UUID, Attempt] = {}
        self._nudge = asyncio.Event()
        self._closing = False
        self._recovered = self._synced = False
        self._stack = contextlib.AsyncExitStack()

    async def setup(self) -> None:
        """Take the name, end what a killed predecessor left, warm up children, meet the API."""
        try:
            await self._furnish()
            await super().setup()
            self._client = self._quick_client  # for Prefect's own calls as well
        except BaseException:
            await self._stack.aclose()
            raise

    async def teardown(self, *exc_info: Any) -> None:
        """Leave nothing behind; children that still run are killed."""
        self._closing = True
        try:
            await super().teardown(*exc_info)
        finally:
            await self._stack.aclose()

    async def start(
        self,
        run_once: bool = False,
        with_healthcheck: bool = False,
        printer: Callable[..., None] = print,
    ) -> None:
        """Run from ``prefect worker start``: until SIGTERM, or one look for work."""
        if run_once or with_healthcheck:
            await super().start(run_once, with_healthcheck, printer)
            return
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with self:
            printer(f"Worker {self.name!r} started!")
            await self.serve(stop, self._nudge)

    async def serve(self, stop: asyncio.Event, nudge: asyncio.Event) -> None:
        """Take work until ``stop``, at once after each ``nudge``; then drain."""
        self._nudge = nudge
        policy = self._policy
        renew_s = min(RENEW_S, policy.fence_s / 20)
        async with asyncio.TaskGroup() as rounds:
            tasks = [
                rounds.create_task(self._every(self.heartbeat_interval_seconds, self._sync)),
                rounds.create_task(self._every(policy.cancel_poll_s, self._cancel_wanted)),
                rounds.create_task(self._every(policy.sweep_s, self._sweep)),
                rounds.create_task(self._every(renew_s, self._lease.renew)),
                rounds.create_task(self._every(renew_s, self._fence)),  # never waits for the API
            ]
            try:
                await self._take_work(stop, nudge)
                await self._drain()
            finally:
                for task in tasks:
                    task.cancel()

    async def run(
        self,
        flow_run: FlowRun,
        configuration: WarmConfiguration,
        task_status: anyio.abc.TaskStatus[Any] | None = None,
    ) -> WarmResult:
        """Perform one flow run in a child, and see to its state when the child ends badly."""
        attempt = self._attempts[flow_run.id] = Attempt(self._pool, self._policy.grace_s)
        if self._closing:
            attempt.stop("drain")
        try:
            ending = await attempt.perform(configuration.job(flow_run), task_status)
            with attempt.settling:
                await self._runs.settle(flow_run.id, self.name, ending)
        finally:
            attempt.kill()
            del self._attempts[flow_run.id]
            asyncio.get_running_loop().call_soon(self._nudge.set)  # when the slot is free again
        return WarmResult(identifier=str(flow_run.id), status_code=0)

    async def kill_infrastructure(
        self,
        infrastructure_pid: str,
        configuration: WarmConfiguration,  # noqa: ARG002
        grace_seconds: int = 30,  # noqa: ARG002
    ) -> None:
        """Stop the run that has this process (Prefect's way to cancel a pending run)."""
        for attempt in self._attempts.values():
            if attempt.child and str(attempt.child.id) == infrastructure_pid:
                attempt.stop("cancel")
                await attempt.child.done.wait()
                return
        raise InfrastructureNotFound(f"{infrastructure_pid}: no child of worker {self.name!r}")

    async def _furnish(self) -> None:
        settings = get_current_settings()
        roster = Roster.hold(settings.home / "workers", self.name)
        self._stack.callback(roster.release)
        for child in await asyncio.to_thread(roster.bury):
            log.warning("ended %s, left by an earlier worker of this name", child)
        self._pool = Pool(self._limit or 1, self._modules, self._policy, roster)
        self._stack.push_async_callback(self._pool.close)
        self._pool.open(settings.to_environment_variables(exclude_unset=True) | CHILD_ENV)
        wiring = quick(self._policy.patience_s)
        self._quick_client = await self._stack.enter_async_context(
            get_client(httpx_settings=wiring or None)
        )
        self._runs = Runs(self._quick_client, self._policy)
        pool, policy = self._work_pool_name, self._policy
        self._recovery = Recovery(self._runs, pool, self.name, self._is_busy, policy)
        self._lease = Lease(self._runs, pool, self.name, policy.fence_s)

    async def _take_work(self, stop: asyncio.Event, nudge: asyncio.Event) -> None:
        failures = 0
        while not stop.is_set():
            nudge.clear()
            try:
                await unless(stop, self._take_once())
                failures = 0
            except Exception as error:  # the API may answer anything while it dies
                failures += 1
                log.log(WARNING if failures < 3 else DEBUG, "no work taken: %r", error)
            poll_s = self._policy.poll_s
            wait_s = backoff(failures, RETRY_S, poll_s) if failures else poll_s
            await any_of(stop, nudge, timeout_s=wait_s)

    async def _take_once(self) -> None:
        if not self._synced:
            await self._sync()
        if not self._recovered:
            await self._recovery.recover()
            self._recovered = True
        if not self._pool.healthy:
            raise NoChild("warm worker", "children do not start", "read the worker's log")
        if not self._lease.lost:
            await self.get_and_submit_flow_runs()

    async def _sync(self) -> None:
        if not self._synced:
            await self.client.raise_for_api_version_mismatch_once()
        await self.sync_with_backend()
        self._synced = True

    async def _propose_submitting_state(self, flow_run: FlowRun) -> None:
        """Leave out the state between Pending and Running: it costs a request at each start."""

    async def _cancel_wanted(self) -> None:
        cancelling = state_in([StateType.CANCELLING])
        for run in await self._runs.open_in(self._work_pool_name, cancelling):
            attempt = self._attempts.get(run.id)
            if attempt:
                attempt.stop("cancel")
            elif not self._is_busy(run.id):
                await self._recovery.recover_one(run.id)

    async def _sweep(self) -> None:
        await self._recovery.recover()
        for borrower in self.limiter.statistics().borrowers:
            if not self._is_busy(cast(UUID, borrower)):  # its deployment was deleted meanwhile
                self.limiter.release_on_behalf_of(borrower)

    async def _fence(self) -> None:
        going = [each for each in self._attempts.values() if not each.stopping]
        if self._lease.lost and going:
            log.error("no heartbeat has arrived for too long: ending %d runs here", len(going))
            for attempt in going:
                attempt.stop("drain")

    def _is_busy(self, run_id: UUID) -> bool:
        return run_id in self._attempts or run_id in self._submitting_flow_run_ids

    async def _drain(self) -> None:
        self._closing = True
        await self._idle_within(self._policy.drain_s)
        for attempt in self._attempts.values():
            attempt.stop("drain")
        await self._idle_within(self._policy.grace_s + SETTLING_S)
        for attempt in self._attempts.values():
            attempt.settling.cancel()

    async def _idle_within(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (self._attempts or self._submitting_flow_run_ids) and time.monotonic() < end:
            await asyncio.sleep(0.05)

    async def _every(self, seconds: float, action: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await action()
            except Exception as error:  # tried again next time
                log.debug("%s: %r", getattr(action, "__name__", action), error)


async def work(
    name: str,
    pool: str,
    limit: int,
    preload: Sequence[str],
    stop: asyncio.Event,
    nudge: asyncio.Event,
    policy: Policy | None = None,
) -> None:
    """Be a warm worker until ``stop`` is set.

    Args:
        name: Unique among all workers and the same after a restart: it owns the runs.
        pool: Work pool, of type ``warm``; made if it is missing.
        limit: Flow runs at a time.
        preload: Modules and packages that children import before there is work.
        stop: Set it to drain and return.
        nudge: Set it when there is work, to save the wait for the next poll.
        policy: Times and limits.

    Raises:
        WorkerNameTaken: Another worker of this machine has the name.
    """
    failures = 0
    while not stop.is_set():
        began = time.monotonic()
        worker = WarmWorker(pool, name=name, limit=limit, modules=preload, policy=policy)
        try:
            await asyncio.create_task(live(worker, stop, nudge))
        except WorkerNameTaken:
            raise
        except (Exception, asyncio.CancelledError) as error:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise
            failures = 1 if time.monotonic() - began > 60 else failures + 1
            log.error("the worker failed and starts again: %r", error, exc_info=error)
            await any_of(stop, timeout_s=backoff(failures))


async def live(worker: WarmWorker, stop: asyncio.Event, nudge: asyncio.Event) -> None:
    """One life of a worker, in a task of its own: its scopes end with it, whatever happens."""
    async with worker:
        await worker.serve(stop, nudge)
