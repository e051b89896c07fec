"""Every open incident gets a run, and none outlives its run unnoticed."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.exceptions import ObjectNotFound

from autoloop.core.diagnosis import unknown
from autoloop.core.incident import Incident, State
from autoloop.core.plan import Plan
from autoloop.core.report import Report
from autoloop.doors.intake import go_on, start_remediation
from autoloop.ledger.store import Ledger
from blocks.app import App
from tasks.mail import post, put_report
from tasks.report import with_commands, write_files

log = logging.getLogger("autoloop.dispatch")
LOOK_S = 0.5
ASK_AGAIN_S = 20.0
ABANDONED_S = 15.0
POST_S = 5.0


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
            for incident in await asyncio.to_thread(ledger.decided):
                await go_on(incident)
                nudge()
            if time.monotonic() - looked > ABANDONED_S:
                looked = time.monotonic()
                await end_abandoned(ledger)
        except Exception as error:  # the server may be away: tried again
            log.warning("dispatch: %r", error)
        await asyncio.sleep(LOOK_S)


async def deliver(ledger: Ledger) -> None:
    """Until cancelled: send the letters that wait. A mail server that is away holds nothing up."""
    while True:
        try:
            while await asyncio.to_thread(post, ledger) == "":
                pass
        except Exception as error:
            log.warning("mail: %r", error)
        await asyncio.sleep(POST_S)


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
    report = Report(
        incident=ledger.incident(incident.id),
        diagnosis=record["diagnosis"] or unknown("run", how),
        plan=record["plan"] or Plan(incident=incident.id),
        timeline=ledger.timeline(incident.id),
    )
    with contextlib.suppress(ValueError):  # it was let out of care: there is no block
        block = App.load(incident.app)
        assert isinstance(block, App)
        report = with_commands(report, block.spec)
    write_files(report)
    put_report(ledger, report)
