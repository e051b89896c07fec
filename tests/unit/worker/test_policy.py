"""What the worker decides, as tables."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop.worker.policy import (
    SERVER_LOST,
    UNREACHABLE,
    Ending,
    Fate,
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
        (KILLED, None, "SCHEDULED", 0, Fate.LEAVE),  # waits for a retry of the flow anyway
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
    ("state", "age", "owner", "nested", "alive", "fate"),
    [
        ("RUNNING", 0, "me", False, False, Fate.RESUME),
        ("PENDING", 0, "me", False, False, Fate.RESUME),
        ("CANCELLING", 0, "me", False, False, Fate.CANCEL),
        ("RUNNING", 0, "me", False, True, Fate.LEAVE),
        ("RUNNING", 0, "me", True, False, Fate.LEAVE),
        ("RUNNING", 999, "other", False, False, Fate.LEAVE),
        ("PENDING", 59, None, False, False, Fate.LEAVE),  # a worker is about to sign it
        ("PENDING", 61, None, False, False, Fate.RESUME),
        ("CANCELLING", 61, None, False, False, Fate.CANCEL),
    ],
)
def test_what_a_worker_does_with_a_run_it_finds(
    state: str, age: float, owner: str | None, nested: bool, alive: bool, fate: Fate
) -> None:
    """Only its own, or nobody's for a minute; never one whose process lives."""
    assert fate_of_found(Seen(state, age, owner, nested, alive), "me", 60) is fate


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
