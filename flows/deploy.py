"""Bringing code to an application."""

from prefect import flow, runtime

from autoloop.core.work import Work
from tasks.backup import take_backup
from tasks.deployment import Comparison, Deployment, compare, place, prove_deployment
from tasks.deployment import settle_deployment as settle
from tasks.mail import tell_of_deployment
from tasks.target import working_on, writing


@flow(name="deploy", flow_run_name="deploy {app}", persist_result=True, result_serializer="json")
def deploy(app: str, source: str, plan_only: bool = False) -> Deployment | Comparison:
    """Compare, back up, put the changed files in place, restart, prove by the app's cases; when
    the proof fails every file goes back. The host is in the old state or the new, never between.

    Args:
        app: the application, as it was registered.
        source: a folder on the machine of the platform.
        plan_only: only say what would change.
    """
    work = Work(id=f"d-{runtime.flow_run.id}", app=app)
    with working_on(work):
        comparison = compare(work, source)
        if plan_only:
            return comparison
        with writing(work):
            backup = take_backup(work, f"before deploying {comparison.release[:12]}")
            placed = place(work, comparison, backup)
            proof = prove_deployment(work, comparison, placed)
            ended = settle(work, comparison, placed, proof, backup)
        tell_of_deployment(work, ended)
        return ended
