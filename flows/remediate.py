"""The front door of every trouble."""

from prefect import flow, runtime
from prefect.flow_runs import suspend_flow_run

from autoloop.core.diagnosis import Diagnosis
from autoloop.core.errors import AutoloopError
from autoloop.core.plan import Plan, without_approval
from autoloop.core.report import Report
from autoloop.core.work import Work
from flows.code import code
from flows.config import config
from flows.database import database
from flows.login import login
from flows.loop import close_loop
from flows.service import service
from tasks.diagnosis import diagnose_target
from tasks.incident import open_incident
from tasks.mail import tell_people
from tasks.plan import choose_remedies, take_decision, wait_for_approval
from tasks.repair import give_up
from tasks.report import write_report
from tasks.target import working_on

CLASSES = {
    "DATABASE": database,
    "CODE": code,
    "CONFIG": config,
    "SERVICE": service,
    "LOGIN": login,
}


@flow(
    name="remediate",
    flow_run_name="remediate {app} {incident}",
    persist_result=True,
    result_serializer="json",
)
def remediate(app: str, error: str = "", incident: str = "") -> Report:
    """Diagnose on the live host, back up, repair, prove, report; or put everything back and ask.

    Args:
        app: the application, as it was registered.
        error: what is wrong, in any words; may be empty.
        incident: the incident to work on; empty opens one.
    """
    opened = open_incident(Work(id=incident, app=app), error)
    work = Work(id=opened.id, app=app)
    with working_on(work):
        try:
            diagnosis = diagnose_target(work)
            plan = choose_remedies(work, diagnosis)
            if plan.approval is not None:
                plan = decided(work, diagnosis, plan)
            close = CLASSES.get(diagnosis.top.error_class, close_loop)
            return close(work, diagnosis, plan)
        except AutoloopError as error:
            given_up = give_up(work, str(error))
            report = write_report(work, given_up.diagnosis, given_up.plan, [])
            tell_people(work, report)
            raise


def decided(work: Work, diagnosis: Diagnosis, plan: Plan) -> Plan:
    """The plan after a person has decided. Until then the run is suspended: no process waits, and
    a decision after any restart still counts. Nobody deciding in time ends it."""
    waits = bool(runtime.deployment.id)
    asked = wait_for_approval(work, plan, waits)
    if not waits:
        return without_approval(plan)
    write_report(asked, diagnosis, plan, [])
    suspend_flow_run(timeout=plan.expires_s, key=f"approval-{plan.hash}")
    return take_decision(asked, diagnosis, plan)
