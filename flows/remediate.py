"""The front door of every trouble."""

from prefect import flow

from autoloop.core.report import Report
from autoloop.core.told import Told
from flows.forms import App, Incident, Seen
from flows.loop import repair


@flow(
    name="remediate",
    flow_run_name="remediate {app} {incident}",
    persist_result=True,
    result_serializer="json",
)
def remediate(app: App, error: Seen = "", incident: Incident = "") -> Report:
    """Diagnose on the live host, back up, repair, prove, report; or put everything back and ask."""
    return repair(Told(app=app, seen=error, incident=incident))
