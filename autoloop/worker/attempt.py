"""One attempt at one flow run: from the worker's taking it until its state is settled."""

from typing import Any

import anyio
import anyio.abc

from autoloop.worker.child import Job
from autoloop.worker.policy import Ending, Why
from autoloop.worker.pool import Child, NoChild, Pool


class Attempt:
    """Waits for a child, gives it the job, waits for its end; may be stopped at any moment."""

    def __init__(self, pool: Pool, grace_s: float) -> None:
        self._pool = pool
        self._grace_s = grace_s
        self._waiting = anyio.CancelScope()
        self._why: Why | None = None
        self.settling = anyio.CancelScope()
        self.child: Child | None = None

    async def perform(self, job: Job, task_status: anyio.abc.TaskStatus[Any] | None) -> Ending:
        """Have a child do the job; returns how that ended."""
        child = await self._take()
        if task_status:
            task_status.started(str(child.id) if child else None)
        if child is None:
            return Ending(0, self._why)
        child.give(job)
        await child.done.wait()
        return child.ending

    @property
    def stopping(self) -> bool:
        """Whether it has been told to stop."""
        return self._why is not None

    def stop(self, why: Why) -> None:
        """Stop it. The first reason stands."""
        if self._why is None:
            self._why = why
            self._waiting.cancel()
            if self.child:
                self.child.stop(why, self._grace_s)

    def kill(self) -> None:
        """Kill the child, if there is one and it lives."""
        if self.child:
            self.child.kill()

    async def _take(self) -> Child | None:
        try:
            with self._waiting:
                self.child = await self._pool.take()
        except NoChild:
            self._why = "no child"
        if self.child and self._why:
            self._pool.put_back(self.child)
            self.child = None
        return self.child
