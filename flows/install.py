"""The first deployment of an application, to a host that does not know it."""

from typing import Annotated

from prefect import flow, runtime

from autoloop.core.deployment import Deployment, refuse_broken
from autoloop.core.errors import AutoloopError
from autoloop.core.work import Work
from flows.bring import decided
from flows.deploy import Source
from flows.forms import App, PlanOnly, field
from tasks.care import check_alone, take_into_care
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
    has none of it; bring code, settings, unit and site; start it, prove it by its cases and take it
    into care. If that fails everything is taken away again."""
    work = Work(id=f"n-{runtime.flow_run.id}", app=app)
    with working_on(work):
        try:
            made = plan_install if plan_only else first
            ended = made(work, source, settings)
        except AutoloopError:
            forget_wish(work, settings)
            raise
        forget_wish(work, settings)
        return ended


def first(work: Work, source: str, settings: str) -> Deployment:
    """Carry it out, or leave the host as it was. The lock is taken before the host is looked at: so
    what an earlier run left that never came back is taken away first."""
    check_alone(work)
    with writing(work):
        plan = plan_install(work, source, settings)
    refuse_broken(plan.comparison)
    wanted = decided(work, plan.comparison)
    try:
        with writing(work):
            placed = place_install(work, plan, settings)
            proof = prove_deployment(work, wanted, placed)
            ended = settle_install(work, plan, placed, proof)
    except AutoloopError as error:
        left = abandon_install(work, plan, str(error))
        tell_of_abandoned(work, wanted, left)
        raise
    if ended.kept:
        take_into_care(work)
    tell_of_deployment(work, ended)
    return ended
