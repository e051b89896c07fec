"""What the worker says to the API about flow runs: again, crashed, cancelled, and what is left."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar
from uuid import UUID

import httpx
from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import ObjectNotFound
from prefect.logging import get_logger
from prefect.states import AwaitingRetry, Cancelled, Crashed

from autoloop.worker.policy import (
    RETRYING,
    SERVER_LOST,
    UNREACHABLE,
    Ending,
    Fate,
    Policy,
    backoff,
    fate_of_ended,
)
from autoloop.worker.transport import is_passing

T = TypeVar("T")
log = get_logger("worker.warm")
Count = Literal["autoloop.crash-resumes", "autoloop.recoveries"]
"""Labels that count resumptions, so that the count outlives every process."""

OPEN = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
AGAIN = "AwaitingRetry"
"""Name of the state of a run that is to start again."""
UNFINISHED = [*OPEN, StateType.SCHEDULED, StateType.PAUSED]


class Runs:
    """Changes of state that must arrive, however long the API is away."""

    def __init__(self, client: PrefectClient, policy: Policy) -> None:
        self._client = client
        self._policy = policy

    async def open_in(self, pool: str, state: FlowRunFilterState) -> list[FlowRun]:
        """Runs of the work pool in such states."""
        return await self._client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=state),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[pool])),
        )

    async def all_open(self, pool: str) -> list[FlowRun]:
        """Runs of the work pool that some process should have in hand."""
        again = FlowRunFilterState(name=FlowRunFilterStateName(any_=[AGAIN]))
        found = await self.open_in(pool, state_in(OPEN)) + await self.open_in(pool, again)
        return [run for run in found if is_open(run)]

    async def heartbeats(self, pool: str) -> dict[str, datetime]:
        """Last heartbeat of each worker of the pool, by the server's clock."""
        workers = await self._client.read_workers_for_work_pool(pool)
        return {each.name: at for each in workers if (at := each.last_heartbeat_time)}

    async def read(self, run_id: UUID) -> FlowRun | None:
        """The run as it is now; None when it was deleted."""
        try:
            return await self._client.read_flow_run(run_id)
        except ObjectNotFound:
            return None

    async def settle(self, run_id: UUID, owner: str, ending: Ending) -> Fate:
        """See to it that a run whose child has ended is in a state that says so."""
        run = await self.persist(lambda: self.read(run_id))
        if run is None or run.state is None or run.labels.get("prefect.worker.name") != owner:
            return Fate.LEAVE
        resumed = count_of(run, "autoloop.crash-resumes")
        allowed = self._policy.crash_retries
        fate = fate_of_ended(ending, state_of(run), resumed, allowed)
        what = describe(ending)
        if fate is Fate.RESUME:
            await self.resume(run, "autoloop.crash-resumes", allowed, what)
        elif fate is Fate.RESCHEDULE:
            await self.reschedule(run, f"The worker gave this run back: {what}.")
        elif fate is Fate.CANCEL:
            await self.cancel(run, f"Cancelled: {what}.")
        elif fate is Fate.CRASH:
            await self.crash(run, f"Not resumed ({resumed} of {allowed} resumptions used): {what}.")
        return fate

    async def resume(self, run: FlowRun, count: Count, allowed: int, what: str) -> None:
        """Start the run again under its id, and count it; crash it when the count is used up."""
        used = count_of(run, count)
        if used >= allowed:
            await self.crash(run, f"{used} of {allowed} resumptions used: {what}.")
            return
        await self.persist(lambda: self._client.update_flow_run_labels(run.id, {count: used + 1}))
        delay = backoff(used + 1, self._policy.crash_backoff_s)
        message = f"Resumption {used + 1} of {allowed}: {what}."
        await self.reschedule(run, message, delay)

    async def reschedule(self, run: FlowRun, message: str, delay_s: float = 0.0) -> None:
        """Start the run again under its id; finished steps come from their results."""
        at = datetime.now(UTC) + timedelta(seconds=delay_s)
        await self._close_nested(run.id, Crashed(message="The run around this one starts again."))
        if run.empirical_policy.retry_type == "in_process":  # or no worker would ever be given it
            policy = run.empirical_policy.model_copy(update={"retry_type": "reschedule"})
            await self.persist(
                lambda: self._client.update_flow_run(run.id, empirical_policy=policy)
            )
        await self._set(run, AwaitingRetry(scheduled_time=at, message=message))

    async def crash(self, run: FlowRun, message: str) -> None:
        """Let the run end as crashed."""
        await self._close_nested(run.id, Crashed(message="The run around this one crashed."))
        await self._set(run, Crashed(message=message))

    async def cancel(self, run: FlowRun, message: str) -> None:
        """Let the run end as cancelled, whatever it was."""
        await self._close_nested(
            run.id, Cancelled(message="The run around this one was cancelled.")
        )
        await self._set(run, Cancelled(message=message), force=True)

    async def persist(self, call: Callable[[], Awaitable[T]]) -> T:
        """Call until the API answers."""
        failures = 0
        while True:
            try:
                return await call()
            except httpx.HTTPError as error:
                if not is_passing(error):
                    raise
                failures += 1
                log.warning("API: %r - trying again", error)
                await asyncio.sleep(backoff(failures, 0.2, 5))

    async def _set(self, run: FlowRun, state: State, force: bool = False) -> None:
        try:
            result = await self.persist(
                lambda: self._client.set_flow_run_state(run.id, state, force=force)
            )
        except ObjectNotFound:
            return
        log.info(
            "run %s (%s): %s %s - %s",
            run.name,
            run.id,
            state.name,
            result.status.value,
            state.message,
        )

    async def _close_nested(self, run_id: UUID, state: State) -> None:
        """End what ran inside the run's process, subflows and tasks, or it would run for ever.

        A subflow with a deployment has a process of its own, and goes on.
        """
        children = await self.persist(
            lambda: self._client.read_flow_runs(
                flow_run_filter=FlowRunFilter(
                    parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run_id]),
                    state=state_in(UNFINISHED),
                )
            )
        )
        for child in children:
            if child.deployment_id is None:
                await self._close_nested(child.id, state)
                await self._set(child, state.model_copy(), force=True)
        await self.persist(lambda: self._close_tasks(run_id, state))

    async def _close_tasks(self, run_id: UUID, state: State) -> None:
        started = TaskRunFilterStateType(any_=[StateType.PENDING, StateType.RUNNING])
        tasks = await self._client.read_task_runs(
            flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])),
            task_run_filter=TaskRunFilter(state=TaskRunFilterState(type=started)),
        )
        for task in tasks:
            if task.state and task.state.state_details.child_flow_run_id is None:
                await self._client.set_task_run_state(task.id, state.model_copy(), force=True)


def state_in(types: list[StateType]) -> FlowRunFilterState:
    """Filter by type of state."""
    return FlowRunFilterState(type=FlowRunFilterStateType(any_=types))


def state_of(run: FlowRun) -> str:
    """Type of its state, or RETRYING."""
    if run.state is None:
        return ""
    own = run.state.name == AGAIN and run.empirical_policy.retry_type == "in_process"
    return RETRYING if own else run.state.type.value


def is_open(run: FlowRun) -> bool:
    """Whether some process should have it in hand."""
    return state_of(run) in (RETRYING, *(each.value for each in OPEN))


def count_of(run: FlowRun, count: Count) -> int:
    """How often the run was resumed for that reason."""
    value = run.labels.get(count, 0)
    return value if isinstance(value, int) else 0


def describe(ending: Ending) -> str:
    """The end of a child in words."""
    if ending.why == "no child":
        return "it could start no child, see its log"
    if ending.code < 0:
        return f"its process was ended by signal {-ending.code}"
    if ending.code == SERVER_LOST:
        return "its process was lost together with the fork server"
    if ending.code == UNREACHABLE:
        return "its process could not reach the API any more"
    return f"its process ended with code {ending.code}"
