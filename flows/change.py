"""Work that is no error: a setting, a procedure, a new release, in one change."""

from typing import Annotated

from prefect import flow, runtime

from autoloop.core.deployment import Comparison, Deployment
from autoloop.core.errors import AutoloopError
from autoloop.core.work import Work
from flows.bring import bring
from flows.forms import App, PlanOnly, field
from tasks.comparison import Wished, compare_change
from tasks.correction import forget_wish
from tasks.target import working_on

Settings = Annotated[
    str,
    field(
        "Settings", 'The name of a block "autoloop wish" with settings by name. Empty: none is set.'
    ),
]
Component = Annotated[
    str, field("Component", "Whose settings; empty if only one component has a settings file.")
]
Procedures = Annotated[
    tuple[str, ...], field("Procedures", "Run in this order, each if its own check says so.")
]
Source = Annotated[str, field("Source", "A folder on the machine of the platform; empty: none.")]


@flow(name="change", flow_run_name="change {app}", persist_result=True, result_serializer="json")
def change(
    app: App,
    settings: Settings = "",
    component: Component = "",
    procedures: Procedures = (),
    source: Source = "",
    plan_only: PlanOnly = False,
) -> Deployment | Comparison:
    """Set settings, run declared procedures, bring code: planned, backed up, approved where that
    is needed, proved by the app's cases and remembered as good, or all of it put back together."""
    work = Work(id=f"c-{runtime.flow_run.id}", app=app)
    wish = Wished(block=settings, component=component, procedures=procedures)
    with working_on(work):
        try:
            wanted = compare_change(work, wish, source)
            reason = f"before deploying {wanted.release[:12]}" if source else "before a change"
            ended = wanted if plan_only else bring(work, wanted, reason)
        except AutoloopError:
            forget_wish(work, wish.block)
            raise
        forget_wish(work, wish.block)
        return ended
