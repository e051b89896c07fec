"""Going back: to the release before, or to a backup."""

from prefect import flow, runtime

from autoloop.core.deployment import Comparison, Deployment
from autoloop.core.work import Work
from flows.bring import bring
from tasks.deployment import compare_backup
from tasks.target import working_on


@flow(
    name="rollback", flow_run_name="rollback {app} {to}", persist_result=True,
    result_serializer="json",
)  # fmt: skip
def rollback(
    app: str,
    to: str = "",
    with_config: bool = False,
    with_data: bool = False,
    plan_only: bool = False,
) -> Deployment | Comparison:
    """Put the code back as it was before the last deployment, or as it is in a backup; restart,
    prove by the app's cases. The present state is backed up first, and comes back when the proof
    fails.

    Args:
        app: the application, as it was registered.
        to: id of a backup, or "good" for the state last proved good; empty: the state before the
            last deployment that is still in place.
        with_config: also configuration and settings, as they are in that backup.
        with_data: also the databases; what was written since is then gone from them.
        plan_only: only say what would change.
    """
    work = Work(id=f"r-{runtime.flow_run.id}", app=app)
    with working_on(work):
        comparison = compare_backup(work, to, with_config, with_data)
        if plan_only:
            return comparison
        return bring(work, comparison, f"before going back to {comparison.backup}")
