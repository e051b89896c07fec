"""How the worker behaves and what it decides: numbers and pure functions, no Prefect, no clock."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Literal

Why = Literal["cancel", "drain", "no child"]
"""Why the worker itself ended an attempt."""

Method = Literal["forkserver", "spawn"]

UNREACHABLE = 75
"""Exit code of a child that lost the API for longer than the policy's patience (EX_TEMPFAIL)."""

SERVER_LOST = 255
"""Exit code that multiprocessing reports when the fork server, not the child, went away."""

RETRYING = "RETRYING"
"""State of a run that its own process is to start again; the API calls it SCHEDULED, but hands it
to no worker. Without that process it would wait for ever."""

SIGNING_S = 5.0
"""Time in which a worker signs the run that it has just taken."""


@dataclass(frozen=True)
class Policy:
    """Settings of a worker. All times are seconds.

    Attributes:
        poll_s: Between two looks for work; a nudge comes in between.
        cancel_poll_s: Between two looks for runs that are to be cancelled.
        sweep_s: Between two looks for runs that nobody runs any more.
        grace_s: A child's time between SIGTERM and SIGKILL.
        drain_s: Time that running work is given when the worker stops.
        start_s: A child's time to become ready.
        take_s: A run's wait for a child, before it is handed back.
        patience_s: How long one call waits for an API that does not answer.
        unowned_s: Age from which a run without an owner counts as abandoned.
        fence_s: Time without a heartbeat after which a worker ends its children, as others may
            soon take over its runs. Keep it well above the heartbeat's interval and the grace.
        crash_retries: How often a run is resumed after its process was killed.
        recoveries: How often a run is resumed after its worker was killed.
        crash_backoff_s: Wait before the first resumption; it doubles each time.
        method: How children are made; ``spawn`` is slower and never shares memory.
    """

    poll_s: float = 1.0
    cancel_poll_s: float = 1.0
    sweep_s: float = 15.0
    grace_s: float = 30.0
    drain_s: float = 30.0
    start_s: float = 60.0
    take_s: float = 60.0
    patience_s: float = 120.0
    unowned_s: float = 60.0
    fence_s: float = 600.0
    crash_retries: int = 3
    recoveries: int = 10
    crash_backoff_s: float = 1.0
    method: Method = "forkserver"

    @property
    def takeover_s(self) -> float:
        """Silence of another worker after which its runs are taken over."""
        return 1.5 * self.fence_s


class Fate(Enum):
    """What becomes of a run whose process has ended."""

    LEAVE = auto()
    RESUME = auto()  # again, and it counts
    RESCHEDULE = auto()  # again, and it does not count
    CANCEL = auto()
    CRASH = auto()


@dataclass(frozen=True)
class Ending:
    """How a child ended: its exit code (negative: a signal) and why we stopped it, if we did."""

    code: int
    why: Why | None = None

    @property
    def killed(self) -> bool:
        """Whether it did not end by itself, so that another attempt may succeed."""
        return self.code < 0 or self.code in (UNREACHABLE, SERVER_LOST)


def fate_of_ended(ending: Ending, state: str, resumed: int, allowed: int) -> Fate:
    """What follows from a child's end.

    Args:
        state: Type of the run's state now, as the API names it, or RETRYING.
        resumed: How often the run was resumed after a crash so far.
        allowed: How often it may be.
    """
    if state == "CANCELLING" or (ending.why == "cancel" and state not in ENDED):
        return Fate.CANCEL
    if state not in ("PENDING", "RUNNING", RETRYING, "CRASHED"):
        return Fate.LEAVE
    if ending.why is not None and (ending.killed or state != "CRASHED"):
        return Fate.RESCHEDULE
    if not ending.killed:
        return crashed(state)
    return Fate.RESUME if resumed < allowed else crashed(state)


ENDED = ("COMPLETED", "FAILED", "CANCELLED")
"""States that the engine wrote itself; CRASHED may be its answer to our own SIGTERM."""


def crashed(state: str) -> Fate:
    """CRASH, unless the run says so already."""
    return Fate.LEAVE if state == "CRASHED" else Fate.CRASH


@dataclass(frozen=True)
class Seen:
    """A run that the API calls PENDING, RUNNING or CANCELLING, or RETRYING, as a worker finds it.

    Attributes:
        state: Type of its state.
        age_s: Age of that state.
        owner: Name of the worker that took it, None when no worker has signed yet.
        nested: Runs inside another run's process and has no deployment of its own.
        alive: Its process runs on this machine.
        silence_s: How much longer ago than the newest heartbeat of the pool its owner's is.
    """

    state: str
    age_s: float
    owner: str | None
    nested: bool
    alive: bool
    silence_s: float = 0.0


def fate_of_found(seen: Seen, me: str, policy: Policy) -> Fate:
    """What the worker called ``me`` does with a run that it finds and is not running itself."""
    if seen.nested or seen.alive:
        return Fate.LEAVE
    if seen.state == "PENDING" and seen.age_s < SIGNING_S:
        return Fate.LEAVE  # whoever owned it last: another worker may be about to sign it
    if seen.owner is None and seen.age_s < policy.unowned_s:
        return Fate.LEAVE
    if seen.owner not in (None, me) and seen.silence_s < policy.takeover_s:
        return Fate.LEAVE
    return Fate.CANCEL if seen.state == "CANCELLING" else Fate.RESUME


def backoff(failures: int, first_s: float = 1.0, most_s: float = 60.0) -> float:
    """Seconds to wait after so many failures in a row: 0, first, twice that, and so on."""
    return 0.0 if failures <= 0 else min(most_s, first_s * 2.0 ** min(failures - 1, 16))


def idle_wanted(limit: int, busy: int) -> int:
    """Children to keep ready: one for each free slot, and one spare when there is none."""
    return max(1, limit - busy)
