"""What the worker decides, as tables."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop.worker.policy import (
    RETRYING,
    SERVER_LOST,
    UNREACHABLE,
    Ending,
    Fate,
    Policy,
    Seen,
    Why,
    backoff,
    fate_of_ended,
    fate_of_found,
    idle_wanted,
)

KILLED, CLEAN, ERROR = -9, 0, 1


@pytest.mark.parametrize(
    ("code", "why", "state", "resumed", "fate"),
    [
        (CLEAN, None, "COMPLETED", 0, Fate.LEAVE),
        (CLEAN, None, "FAILED", 0, Fate.LEAVE),
        (CLEAN, None, "PAUSED", 0, Fate.LEAVE),  # suspended: the process ends on purpose
        (CLEAN, None, "RUNNING", 0, Fate.CRASH),  # ended without a word
        (CLEAN, None, "PENDING", 0, Fate.CRASH),
        (ERROR, None, "PENDING", 0, Fate.CRASH),  # the flow could not be loaded
        (ERROR, None, "CRASHED", 0, Fate.LEAVE),
        (KILLED, None, "RUNNING", 0, Fate.RESUME),
        (KILLED, None, "PENDING", 2, Fate.RESUME),
        (KILLED, None, "RUNNING", 3, Fate.CRASH),
        (KILLED, None, "COMPLETED", 0, Fate.LEAVE),  # killed after its last word
        (KILLED, None, "SCHEDULED", 0, Fate.LEAVE),  # somebody has started it again
        (KILLED, None, RETRYING, 0, Fate.RESUME),  # nobody else would start it again
        (KILLED, None, RETRYING, 3, Fate.CRASH),
        (KILLED, "drain", RETRYING, 3, Fate.RESCHEDULE),
        (KILLED, "cancel", RETRYING, 0, Fate.CANCEL),
        (-15, None, "CRASHED", 0, Fate.RESUME),  # a SIGTERM from outside, told by the engine
        (-15, None, "CRASHED", 3, Fate.LEAVE),
        (SERVER_LOST, None, "RUNNING", 0, Fate.RESUME),
        (UNREACHABLE, None, "PENDING", 0, Fate.RESUME),
        (KILLED, "cancel", "RUNNING", 0, Fate.CANCEL),
        (KILLED, "cancel", "CANCELLING", 0, Fate.CANCEL),
        (-15, "cancel", "CRASHED", 0, Fate.CANCEL),  # the engine took the cancel for a crash
        (CLEAN, "cancel", "CANCELLED", 0, Fate.LEAVE),
        (CLEAN, "cancel", "COMPLETED", 0, Fate.LEAVE),  # it was faster
        (CLEAN, None, "CANCELLING", 0, Fate.CANCEL),  # cancelled at the very end
        (KILLED, None, "CANCELLING", 3, Fate.CANCEL),
        (CLEAN, "drain", "RUNNING", 3, Fate.RESCHEDULE),  # does not count
        (KILLED, "drain", "RUNNING", 3, Fate.RESCHEDULE),
        (-15, "drain", "CRASHED", 0, Fate.RESCHEDULE),
        (CLEAN, "drain", "CRASHED", 0, Fate.LEAVE),  # a crash of its own
        (CLEAN, "drain", "COMPLETED", 0, Fate.LEAVE),
        (CLEAN, "no child", "PENDING", 3, Fate.RESCHEDULE),
    ],
)
def test_what_becomes_of_a_run_whose_child_ended(
    code: int, why: Why | None, state: str, resumed: int, fate: Fate
) -> None:
    """Three resumptions are allowed here."""
    assert fate_of_ended(Ending(code, why), state, resumed, allowed=3) is fate


@pytest.mark.parametrize(
    ("seen", "fate"),
    [
        (Seen("RUNNING", 0, "me", False, False), Fate.RESUME),
        (Seen(RETRYING, 0, "me", False, False), Fate.RESUME),
        (Seen("PENDING", 6, "me", False, False), Fate.RESUME),
        (Seen("PENDING", 4, "me", False, False), Fate.LEAVE),  # ours once; another may have it now
        (Seen("CANCELLING", 0, "me", False, False), Fate.CANCEL),
        (Seen("RUNNING", 0, "me", False, True), Fate.LEAVE),
        (Seen("RUNNING", 0, "me", True, False), Fate.LEAVE),
        (Seen("PENDING", 59, None, False, False), Fate.LEAVE),  # a worker is about to sign it
        (Seen("PENDING", 61, None, False, False), Fate.RESUME),
        (Seen("CANCELLING", 61, None, False, False), Fate.CANCEL),
        (Seen("RUNNING", 999, "other", False, False), Fate.LEAVE),
        (Seen("RUNNING", 999, "other", False, False, silence_s=149), Fate.LEAVE),
        (Seen("RUNNING", 999, "other", False, False, silence_s=151), Fate.RESUME),  # a lost node
        (Seen("CANCELLING", 999, "other", False, False, silence_s=151), Fate.CANCEL),
        (Seen("RUNNING", 999, "other", False, True, silence_s=151), Fate.LEAVE),
    ],
)
def test_what_a_worker_does_with_a_run_it_finds(seen: Seen, fate: Fate) -> None:
    """Only its own, nobody's for a minute, or a lost worker's; never one whose process lives."""
    assert fate_of_found(seen, "me", Policy(unowned_s=60, fence_s=100)) is fate


@given(st.floats(1, 1e6))
def test_a_worker_ends_its_children_long_before_others_take_its_runs(fence_s: float) -> None:
    """Or a run would go on in two processes."""
    assert Policy(fence_s=fence_s).takeover_s >= 1.5 * fence_s


@given(st.integers(0, 10_000))
def test_waits_double_and_stay_bounded(failures: int) -> None:
    """However many failures there were."""
    assert backoff(failures, 1, 60) <= backoff(failures + 1, 1, 60) <= 60


def test_the_first_waits() -> None:
    """None without a failure, then the first, then doubled."""
    assert [backoff(n, 0.5, 3) for n in range(5)] == [0, 0.5, 1, 2, 3]


@given(st.integers(1, 64), st.integers(0, 64))
def test_a_free_slot_has_a_child(limit: int, busy: int) -> None:
    """And there is one spare when no slot is free."""
    assert idle_wanted(limit, busy) >= max(1, limit - busy)


def test_deciding_needs_no_prefect() -> None:
    """The pure part stays free of the second that importing Prefect takes."""
    code = "import sys, autoloop.worker.policy, autoloop.worker.roster; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "prefect" not in done.stdout.split()
