"""An application that is down: service first, then the question why."""

from prefect import flow

from autoloop.core.report import Report
from autoloop.core.told import told
from flows.forms import App, Component, Handed, Seen
from flows.loop import close_loop, repair, run_name
from tasks.outage import look_back
from tasks.report import write_report


@flow(name="emergency", flow_run_name=run_name, persist_result=True, result_serializer="json")
def emergency(app: App, seen: Seen = "", component: Component = "", found: Handed = None) -> Report:
    """A component does not serve. Restore service with the remedies of every cause that the host
    shows, the deepest first: put back what was changed last, free what blocks it, start it. Prove
    it by the app's cases, tell people, then look back at why it went down. Way back: as in each
    class; what is not proved is put back. A blip, or a restart on purpose, is over before."""
    if found is None:
        return repair(told("SERVICE", app, seen, "service_down", component=component))
    report = close_loop(found)
    outage = look_back(found.work, found.diagnosis, report)
    attempts = list(report.attempts)
    return write_report(found.work, found.diagnosis, found.plan, attempts, outage)
