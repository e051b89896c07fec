"""Services that do not run, or cannot."""

from prefect import flow

from autoloop.core.report import Report
from autoloop.core.told import UNKNOWN_KIND, told
from flows.forms import App, Component, Handed, Seen, ServiceTrouble
from flows.loop import close_loop, repair, run_name


@flow(name="service", flow_run_name=run_name, persist_result=True, result_serializer="json")
def service(
    app: App,
    seen: Seen = "",
    kind: ServiceTrouble = UNKNOWN_KIND,
    component: Component = "",
    found: Handed = None,
) -> Report:
    """A unit is down or its port is taken: free what blocks it, start it, prove it by the app's
    cases. Way back: stop it again; what was ended stays ended and is named in the report."""
    if found is not None:
        return close_loop(found)
    return repair(told("SERVICE", app, seen, kind, component=component))
