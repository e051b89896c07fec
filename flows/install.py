"""The first deployment of an application, to a host that does not know it."""

from typing import Annotated

from prefect import flow, runtime

from autoloop.core.deployment import Deployment
from autoloop.core.errors import AutoloopError
from autoloop.core.work import Work
from flows.bring import decided
from flows.deploy import Source
from flows.forms import App, PlanOnly, field
from tasks.correction import forget_wish
from tasks.deployment import prove_deployment
from tasks.install import (
    InstallPlan,
    abandon_install,
    place_install,
    plan_install,
    settle_install,
)
from tasks.mail import tell_of_abandoned, tell_of_deployment
from tasks.target import working_on, writing

Settings = Annotated[
    str, field("Settings", 'The name of a block "autoloop wish" whose "file" is the settings file.')
]


@flow(name="install", flow_run_name="install {app}", persist_result=True, result_serializer="json")
def install(
    app: App, source: Source, settings: Settings = "", plan_only: PlanOnly = False
) -> Deployment | InstallPlan:
    """Make the account, the folders, the environment and the data of an application on a host that
    has none of it; bring code, settings, unit and site; start it and prove it by its cases. If that
    fails everything is taken away again. `autoloop install` does the same, and registers it."""
    work = Work(id=f"n-{runtime.flow_run.id}", app=app)
    with working_on(work):
        try:
            plan = plan_install(work, source, settings)
            ended = plan if plan_only else first(work, plan, settings)
        except AutoloopError:
            forget_wish(work, settings)
            raise
        forget_wish(work, settings)
        return ended


def first(work: Work, plan: InstallPlan, settings: str) -> Deployment:
    """Carry it out, or leave the host as it was."""
    made = decided(work, plan.comparison)
    try:
        with writing(work):
            placed = place_install(work, plan, settings)
            proof = prove_deployment(work, made, placed)
            ended = settle_install(work, plan, placed, proof)
    except AutoloopError as error:
        left = abandon_install(work, plan, str(error))
        tell_of_abandoned(work, made, left)
        raise
    tell_of_deployment(work, ended)
    return ended
