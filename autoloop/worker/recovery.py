"""Runs that nobody runs any more: those of a worker that was killed, and those lost on the way.

A run is ours when it carries our name, which no other worker has; its process is known by host,
number and start time. One that is still alive is killed before the run may start again.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from prefect.client.schemas.objects import FlowRun

from autoloop.worker.policy import Fate, Policy, Seen, fate_of_found
from autoloop.worker.process import ProcessId
from autoloop.worker.runs import OPEN, Runs

WORKER_LABEL = "prefect.worker.name"


class Recovery:
    """Finds them for one worker of one pool."""

    def __init__(
        self, runs: Runs, pool: str, me: str, busy: Callable[[UUID], bool], policy: Policy
    ) -> None:
        self._runs = runs
        self._pool = pool
        self._me = me
        self._busy = busy
        self._policy = policy

    async def recover(self, min_age_s: float = 0.0) -> int:
        """Start again, or end, what this worker must answer for. Returns how many runs.

        Args:
            min_age_s: Leave younger states alone: they may be on their way through this worker.
        """
        count = 0
        for run in await self._runs.open_in(self._pool, OPEN):
            if age_of(run) >= min_age_s and not self._busy(run.id):
                count += await self.recover_one(run)
        return count

    async def recover_one(self, run: FlowRun) -> bool:
        """The same for one run that nobody here is running. Returns whether it was changed."""
        assert run.state is not None
        owner = owner_of(run)
        process = ProcessId.parse(run.infrastructure_pid)
        alive = process is not None and process.alive()
        if alive and process and owner == self._me:
            await asyncio.to_thread(process.kill_group)
            alive = not await asyncio.to_thread(process.kill)
        nested = run.deployment_id is None
        seen = Seen(run.state.type.value, age_of(run), owner, nested, alive)
        fate = fate_of_found(seen, self._me, self._policy.unowned_s)
        if fate is Fate.CANCEL:
            await self._runs.cancel(run, "Cancelled: its process is gone.")
        elif fate is Fate.RESUME:
            what = "its worker was gone" if owner else "no worker had taken it up"
            await self._runs.resume(run, "autoloop.recoveries", self._policy.recoveries, what)
        return fate is not Fate.LEAVE


def owner_of(run: FlowRun) -> str | None:
    """Name of the worker that took the run."""
    name = run.labels.get(WORKER_LABEL)
    return name if isinstance(name, str) else None


def age_of(run: FlowRun) -> float:
    """Seconds that the run has been in its state."""
    since = run.state.timestamp if run.state else None
    return (datetime.now(UTC) - since).total_seconds() if since else 0.0
