"""Runs that nobody runs any more: those of a worker that was killed, and those lost on the way.

A run is ours when it carries our name, which no other worker has; its process is known by host,
number and start time. One that is still alive is killed before the run may start again. A run of
another worker becomes ours when that worker has been silent for so long that it must have ended
its children itself (see ``lease``).
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from prefect.client.schemas.objects import FlowRun

from autoloop.worker.policy import Fate, Policy, Seen, fate_of_found
from autoloop.worker.process import ProcessId
from autoloop.worker.runs import Runs, is_open, state_of

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

    async def recover(self) -> int:
        """Start again, or end, what this worker must answer for. Returns how many runs."""
        found = [run for run in await self._runs.all_open(self._pool) if not self._busy(run.id)]
        silences = {}
        if any(owner_of(run) not in (None, self._me) for run in found):
            silences = silences_in(await self._runs.heartbeats(self._pool))
        count = 0
        for run in found:
            count += await self.recover_one(run.id, silences.get(owner_of(run) or "", 0.0))
        return count

    async def recover_one(self, run_id: UUID, silence_s: float = 0.0) -> bool:
        """The same for one run; ``silence_s`` is its owner's. Returns whether it was changed.

        Reads it again: since it was found it may have ended well in this very worker.
        """
        run = await self._runs.read(run_id)
        if run is None or not is_open(run) or self._busy(run_id):
            return False
        owner = owner_of(run)
        process = ProcessId.parse(run.infrastructure_pid)
        alive = process is not None and process.alive()
        if alive and process and owner == self._me:
            await asyncio.to_thread(process.kill_group)
            alive = not await asyncio.to_thread(process.kill)
        nested = run.deployment_id is None
        seen = Seen(state_of(run), age_of(run), owner, nested, alive, silence_s)
        fate = fate_of_found(seen, self._me, self._policy)
        if fate is Fate.CANCEL:
            await self._runs.cancel(run, "Cancelled: its process is gone.")
        elif fate is Fate.RESUME:
            what = f"its worker {owner!r} was gone" if owner else "no worker had taken it up"
            await self._runs.resume(run, "autoloop.recoveries", self._policy.recoveries, what)
        return fate is not Fate.LEAVE


def owner_of(run: FlowRun) -> str | None:
    """Name of the worker that took the run."""
    name = run.labels.get(WORKER_LABEL)
    return name if isinstance(name, str) else None


def silences_in(heartbeats: dict[str, datetime]) -> dict[str, float]:
    """How many seconds each worker is behind the newest heartbeat: the server's clock alone."""
    newest = max(heartbeats.values(), default=None)
    return {name: (newest - at).total_seconds() for name, at in heartbeats.items() if newest}


def age_of(run: FlowRun) -> float:
    """Seconds that the run has been in its state."""
    since = run.state.timestamp if run.state else None
    return (datetime.now(UTC) - since).total_seconds() if since else 0.0
