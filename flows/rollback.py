"""Going back: to the release before, or to a backup."""

from typing import Annotated

from prefect import flow, runtime

from autoloop.core.deployment import Comparison, Deployment
from autoloop.core.work import Work
from flows.bring import bring
from flows.forms import App, PlanOnly, field
from tasks.comparison import compare_backup
from tasks.target import working_on

BackupId = Annotated[
    str,
    field(
        "Back to",
        'The id of a backup, or "good" for the state last proved good. Empty: the state before the '
        "last deployment that is still in place.",
    ),
]
WithConfig = Annotated[
    bool, field("Configuration too", "Also settings and configuration, as in that backup.")
]
WithData = Annotated[
    bool,
    field("Databases too", "What was written into them since the backup is then gone from them."),
]


@flow(
    name="rollback", flow_run_name="rollback {app} {to}", persist_result=True,
    result_serializer="json",
)  # fmt: skip
def rollback(
    app: App,
    to: BackupId = "",
    with_config: WithConfig = False,
    with_data: WithData = False,
    plan_only: PlanOnly = False,
) -> Deployment | Comparison:
    """Put the code back as it was before the last deployment, or as it is in a backup; restart,
    prove by the app's cases. The present state is backed up first, and comes back when the proof
    fails."""
    work = Work(id=f"r-{runtime.flow_run.id}", app=app)
    with working_on(work):
        comparison = compare_backup(work, to, with_config, with_data)
        if plan_only:
            return comparison
        return bring(work, comparison, f"before going back to {comparison.backup}")
