"""Going back to a backup."""

from prefect import flow, runtime

from autoloop.core.work import Work
from tasks.backup import take_backup
from tasks.deployment import Deployment, compare_backup, place, prove_deployment
from tasks.deployment import settle_deployment as settle
from tasks.mail import tell_of_deployment
from tasks.target import working_on, writing


@flow(name="restore", flow_run_name="restore {app}", persist_result=True, result_serializer="json")
def restore(app: str, backup: str = "good", with_data: bool = False) -> Deployment:
    """Put code and configuration back from a backup (databases too, if asked), restart, prove.
    The present state is backed up first, and comes back when the proof fails.

    Args:
        app: the application, as it was registered.
        backup: its id, or "good" for the state last proved good.
        with_data: also the databases; what was written since is then gone from them.
    """
    work = Work(id=f"r-{runtime.flow_run.id}", app=app)
    with working_on(work):
        comparison = compare_backup(work, backup, with_data)
        with writing(work):
            saved = take_backup(work, f"before restoring {backup}")
            placed = place(work, comparison, saved)
            proof = prove_deployment(work, comparison, placed)
            ended = settle(work, comparison, placed, proof, saved)
        tell_of_deployment(work, ended)
        return ended
