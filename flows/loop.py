"""The loop: what is told is opened, diagnosed and planned; the flow of what was found saves,
repairs, proves, settles, reports, tells. The front door and every form go through here."""

from importlib import import_module
from typing import Any

from prefect import Flow, runtime
from prefect.flow_runs import suspend_flow_run

from autoloop.core.diagnosis import Diagnosis
from autoloop.core.errors import AutoloopError
from autoloop.core.plan import Plan, without_approval
from autoloop.core.report import Report, Settled
from autoloop.core.taxonomy import CLASSES
from autoloop.core.telling import proposed
from autoloop.core.told import Told
from autoloop.core.work import Work
from autoloop.settings import settings
from flows.forms import Answer, Found
from tasks.backup import Backup, take_backup
from tasks.diagnosis import diagnose_target
from tasks.incident import open_incident
from tasks.mail import tell_people
from tasks.plan import choose_remedies, take_decision, wait_for_approval
from tasks.repair import apply_remedy, end_incident, give_up, prove_remedy, settle
from tasks.report import write_report
from tasks.target import working_on, writing


def repair(told: Told) -> Report:
    """From what is told to the report: the flow of what was found closes the loop."""
    opened = open_incident(Work(id=told.incident or this_run(), app=told.app), told)
    work = Work(id=opened.id, app=opened.app)
    with working_on(work):
        try:
            diagnosis = diagnose_target(work)
            plan = choose_remedies(work, diagnosis)
            if plan.approval is not None:
                plan = decided(work, diagnosis, plan)
            return hand_over(Found(work=work, diagnosis=diagnosis, plan=plan))
        except AutoloopError as error:
            given_up = give_up(work, str(error))
            report = write_report(work, given_up.diagnosis, given_up.plan, [])
            tell_people(work, report)
            raise


def hand_over(found: Found) -> Report:
    """The right flow goes on: in this run if it is that flow, nested in it if not."""
    chosen = flow_of(found.diagnosis)
    if chosen is None:
        return close_loop(found)
    here = runtime.flow_run.flow_name == chosen.name
    report: Report = (chosen.fn if here else chosen)(app=found.work.app, found=found)
    return report


def flow_of(diagnosis: Diagnosis) -> Flow[..., Any] | None:
    """What is down is an emergency; else the flow of the class, if the host shows one."""
    if diagnosis.severity != "P0" and diagnosis.top.error_class not in CLASSES:
        return None
    name = "emergency" if diagnosis.severity == "P0" else diagnosis.top.error_class.lower()
    flow: Flow[..., Any] = getattr(import_module(f"flows.{name}"), name)
    return flow


def close_loop(found: Found) -> Report:
    """One attempt after the other until one is proved; then the report."""
    work, diagnosis, plan = found.work, found.diagnosis, found.plan
    attempts: list[Settled] = []
    if not plan.empty:
        with writing(work):
            backup = Backup.none(work)
            for number, proposal in enumerate(plan.proposals, 1):
                attempt = work.next(number)
                if proposal.backup and not backup.id:
                    backup = take_backup(work, diagnosis.top.name)
                applied = apply_remedy(attempt, diagnosis, plan, backup)
                proof = prove_remedy(attempt, diagnosis, plan, applied)
                attempts.append(settle(attempt, plan, applied, proof, backup))
                if attempts[-1].kept:
                    break
    ended = end_incident(work, attempts, plan)
    report = write_report(ended, diagnosis, plan, attempts)
    tell_people(ended, report)
    return report


def decided(work: Work, diagnosis: Diagnosis, plan: Plan) -> Plan:
    """The plan after a person has decided. Until then the run is suspended: no process waits, and
    a decision after any restart still counts. Nobody deciding in time ends it."""
    waits = bool(runtime.deployment.id)
    asked = wait_for_approval(work, plan, waits)
    if not waits:
        return without_approval(plan)
    report = write_report(asked, diagnosis, plan, [])
    form = Answer.with_initial_data(description=proposed(report, settings().languages))
    answer = suspend_flow_run(form, timeout=plan.expires_s, key=f"approval-{plan.hash}")
    here = {"approved": answer.approved, "actor": answer.actor, "reason": answer.reason}
    return take_decision(asked, diagnosis, plan, here)


def this_run() -> str:
    """What a run from a form is called until it has an incident."""
    return f"run-{runtime.flow_run.id}"


def run_name() -> str:
    """The class and the application; the incident too, once there is one."""
    known = runtime.flow_run.parameters
    found = dict(known.get("found") or {})
    incident = dict(found.get("work") or {}).get("id", "")
    return f"{runtime.flow_run.flow_name} {known.get('app', '')} {incident}".strip()
