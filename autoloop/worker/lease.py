"""A worker's lease on its runs: when it is over, others take them, so its children must be gone.

Workers of a pool see each other's heartbeats at the API. One that sees no new heartbeat of its
own for ``fence_s`` ends its children; the others wait half as long again (``takeover_s``). No
clock is compared with another one.
"""

import time
from datetime import datetime

from autoloop.worker.runs import Runs


class Lease:
    """Watches whether this worker's heartbeats arrive."""

    def __init__(self, runs: Runs, pool: str, me: str, fence_s: float) -> None:
        self._runs = runs
        self._pool = pool
        self._me = me
        self._fence_s = fence_s
        self._last: datetime | None = None
        self._seen = time.monotonic()

    @property
    def lost(self) -> bool:
        """Whether no heartbeat has arrived for so long that others may count us dead."""
        return time.monotonic() - self._seen > self._fence_s

    async def renew(self) -> None:
        """Look whether a new heartbeat has arrived."""
        asked = time.monotonic()
        last = (await self._runs.heartbeats(self._pool)).get(self._me)
        if last is not None and last != self._last:
            self._last, self._seen = last, asked
