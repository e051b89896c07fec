"""Bringing code to an application."""

from typing import Annotated

from prefect import flow, runtime

from autoloop.core.deployment import Comparison, Deployment
from autoloop.core.work import Work
from flows.bring import bring
from flows.forms import App, PlanOnly, field
from tasks.comparison import compare
from tasks.target import working_on

Source = Annotated[str, field("Source", "A folder on the machine of the platform.", min_length=1)]


@flow(name="deploy", flow_run_name="deploy {app}", persist_result=True, result_serializer="json")
def deploy(app: App, source: Source, plan_only: PlanOnly = False) -> Deployment | Comparison:
    """Compare, back up, put the changed files in place, restart, prove by the app's cases; when
    the proof fails every file goes back. The host is in the old state or the new, never between."""
    work = Work(id=f"d-{runtime.flow_run.id}", app=app)
    with working_on(work):
        comparison = compare(work, source)
        if plan_only:
            return comparison
        return bring(work, comparison, f"before deploying {comparison.release[:12]}")
