"""Every open incident gets a run, and none outlives its run unnoticed."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from autoloop.core.diagnosis import unknown
from autoloop.core.incident import Incident, State
from autoloop.core.plan import Plan
from autoloop.core.report import Report
from autoloop.doors.intake import start_remediation
from autoloop.ledger.store import Ledger
from autoloop.worker.recovery import WORKER_LABEL
from tasks.report import write_files

log = logging.getLogger("autoloop.dispatch")
LOOK_S = 0.5
ASK_AGAIN_S = 20.0
ABANDONED_S = 15.0
LOST_S = 95.0
POOL = "warm"


async def dispatch(ledger: Ledger, nudge: Callable[[], None]) -> None:
    """Until cancelled: start a run for what health checks and killed processes left open."""
    asked: dict[str, float] = {}
    looked = 0.0
    while True:
        try:
            for incident in await asyncio.to_thread(ledger.waiting):
                if time.monotonic() - asked.get(incident.id, -ASK_AGAIN_S) >= ASK_AGAIN_S:
                    asked[incident.id] = time.monotonic()
                    await start_remediation(incident)
                    nudge()
            if time.monotonic() - looked > ABANDONED_S:
                looked = time.monotonic()
                await crash_lost()
                await end_abandoned(ledger)
        except Exception as error:  # the server may be away: tried again
            log.warning("dispatch: %r", error)
        await asyncio.sleep(LOOK_S)


async def crash_lost() -> list[UUID]:
    """Call runs crashed whose worker has sent no heartbeat for `LOST_S`; their ids.

    Prefect's own way, an automation on missing heartbeat events, stops a server on SQLite for a
    minute at a time. A worker that comes back within that time resumes its runs itself.
    """
    lost = []
    async with get_client() as client:
        workers = await client.read_workers_for_work_pool(POOL)
        seen = {one.name: one.last_heartbeat_time for one in workers}
        running = FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING])
        runs = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=running)),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL])),
        )
        for run in runs:
            heard = seen.get(str(run.labels.get(WORKER_LABEL, "")))
            if heard is not None and (datetime.now(UTC) - heard).total_seconds() > LOST_S:
                message = f"its worker has not been heard of for {LOST_S:g} s"
                await client.set_flow_run_state(run.id, Crashed(message=message))
                lost.append(run.id)
    return lost


async def end_abandoned(ledger: Ledger) -> list[str]:
    """Ask a person about incidents whose run has ended for good without ending them; their ids."""
    ended = []
    async with get_client() as client:
        for incident in await asyncio.to_thread(ledger.worked_on):
            how = await _how_it_ended(client, incident)
            if how:
                await asyncio.to_thread(_ask, ledger, incident, how)
                ended.append(incident.id)
    return ended


async def _how_it_ended(client: PrefectClient, incident: Incident) -> str:
    try:
        run = await client.read_flow_run(UUID(incident.flow_run))
    except ObjectNotFound:
        return "its run was deleted"
    if run.state is None or not run.state.is_final():
        return ""
    if (datetime.now(UTC) - run.state.timestamp).total_seconds() < ABANDONED_S:
        return ""
    return f"its run ended as {run.state.name}: {run.state.message or 'no message'}"


def _ask(ledger: Ledger, incident: Incident, how: str) -> None:
    ledger.move(incident.id, State.ASKED, how)
    record = ledger.record(incident.id)
    write_files(
        Report(
            incident=ledger.incident(incident.id),
            diagnosis=record["diagnosis"] or unknown("run", how),
            plan=record["plan"] or Plan(incident=incident.id),
            timeline=ledger.timeline(incident.id),
        )
    )
