"""Incidents: opened, or taken up again."""

from prefect import runtime

from autoloop.core.incident import Incident, Request, State
from autoloop.core.work import Work
from tasks.step import step
from tasks.target import ledger


@step(retries=3)
def open_incident(work: Work, error: str) -> Incident:
    """Take up the incident that this run was started for, or open one for what a person wrote."""
    if work.id:
        incident = ledger().incident(work.id)
    else:
        key = str(runtime.flow_run.id or "")
        request = Request(app=work.app, text=error, source="ui", actor="ui", idempotency_key=key)
        incident, _ = ledger().open_incident(request)
    run = str(runtime.flow_run.id or "")
    ledger().move(incident.id, State.DIAGNOSING, "a run has taken it up", flow_run=run)
    return incident
