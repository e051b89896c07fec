"""Runs are looked at again before they are changed, and lost workers are known by their silence."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from prefect.client.schemas.objects import FlowRun, FlowRunPolicy, State
from prefect.states import AwaitingRetry, Completed, Running

from autoloop.worker.lease import Lease
from autoloop.worker.policy import RETRYING, Policy
from autoloop.worker.recovery import WORKER_LABEL, Recovery, silences_in
from autoloop.worker.runs import is_open, state_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def a_run(state: State[Any], owner: str = "me", retry_type: Any = None) -> FlowRun:
    """A run of a deployment, taken by a worker."""
    return FlowRun(
        id=uuid4(),
        name="trial",
        flow_id=uuid4(),
        deployment_id=uuid4(),
        state=state,
        labels={WORKER_LABEL: owner},
        empirical_policy=FlowRunPolicy(retry_type=retry_type),
    )


class Told:
    """Stands for ``Runs``: a list that was read earlier, runs as they are now, what was asked."""

    def __init__(self, listed: list[FlowRun], now: dict[UUID, FlowRun | None]) -> None:
        self.listed = listed
        self.now = now
        self.resumed: list[UUID] = []
        self.beats: dict[str, datetime] = {"me": NOW, "other": NOW}

    async def all_open(self, pool: str) -> list[FlowRun]:
        return self.listed

    async def read(self, run_id: UUID) -> FlowRun | None:
        return self.now[run_id]

    async def heartbeats(self, pool: str) -> dict[str, datetime]:
        return self.beats

    async def resume(self, run: FlowRun, count: str, allowed: int, what: str) -> None:
        self.resumed.append(run.id)


def recover(told: Told, busy: set[UUID] = frozenset()) -> int:  # type: ignore[assignment]
    """One sweep of the worker ``me``."""
    recovery = Recovery(told, "pool", "me", busy.__contains__, Policy(fence_s=100))  # type: ignore[arg-type]
    return asyncio.run(recovery.recover())


def test_what_ended_since_it_was_listed_is_left_alone() -> None:
    """Or a completed repair would be done a second time."""
    run = a_run(Running())
    ended = run.model_copy(update={"state": Completed()})
    for now in (ended, None):
        told = Told([run], {run.id: now})
        assert recover(told) == 0
        assert not told.resumed


def test_a_run_that_nobody_runs_is_resumed_and_one_in_hand_is_not() -> None:
    """In hand: this worker has an attempt at it."""
    lost, held = a_run(Running()), a_run(Running())
    told = Told([lost, held], {lost.id: lost, held.id: held})
    assert recover(told, {held.id}) == 1
    assert told.resumed == [lost.id]


@pytest.mark.parametrize(("silent_s", "taken"), [(0, 0), (149, 0), (151, 1)])
def test_runs_of_a_silent_worker_are_taken_over(silent_s: int, taken: int) -> None:
    """By the difference of two heartbeats, so that no clock but the server's matters."""
    run = a_run(Running(), owner="other")
    told = Told([run], {run.id: run})
    told.beats["other"] = NOW - timedelta(seconds=silent_s)
    assert recover(told) == taken


def test_a_worker_without_heartbeats_counts_as_present() -> None:
    """Nothing is known of it, so its run is left alone."""
    assert silences_in({}) == {}
    run = a_run(Running(), owner="stranger")
    assert recover(Told([run], {run.id: run})) == 0


def test_a_run_that_its_own_process_would_start_again_is_open() -> None:
    """The API hands it to no worker; the same state after a crash is handed out."""
    own, ours = a_run(AwaitingRetry(), retry_type="in_process"), a_run(AwaitingRetry())
    assert (state_of(own), is_open(own)) == (RETRYING, True)
    assert (state_of(ours), is_open(ours)) == ("SCHEDULED", False)


def test_a_lease_ends_when_no_new_heartbeat_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeing the old one again does not renew it."""
    clock = [0.0]
    monkeypatch.setattr("autoloop.worker.lease.time.monotonic", lambda: clock[0])
    told = Told([], {})
    lease = Lease(told, "pool", "me", fence_s=10)  # type: ignore[arg-type]

    async def seen_at(now: float) -> bool:
        clock[0] = now
        await lease.renew()
        return lease.lost

    async def story() -> None:
        assert not await seen_at(5)
        assert not await seen_at(15)
        assert await seen_at(16)
        told.beats["me"] = NOW + timedelta(seconds=16)
        assert not await seen_at(17)

    asyncio.run(story())
