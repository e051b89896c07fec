"""The loop that every class flow closes: save, repair, prove, settle, report, tell."""

from prefect import runtime

from autoloop.core.diagnosis import Diagnosis
from autoloop.core.plan import Plan
from autoloop.core.report import Report, Settled
from autoloop.core.work import Work
from tasks.backup import take_backup
from tasks.mail import tell_people
from tasks.repair import apply_remedy, end_incident, prove_remedy, settle
from tasks.report import write_report
from tasks.target import writing


def close_loop(work: Work, diagnosis: Diagnosis, plan: Plan) -> Report:
    """One attempt after the other until one is proved; then the report."""
    attempts: list[Settled] = []
    if not plan.empty:
        with writing(work):
            backup = take_backup(work, diagnosis.top.name)
            for number in range(1, len(plan.proposals) + 1):
                attempt = work.next(number)
                applied = apply_remedy(attempt, diagnosis, plan, backup)
                proof = prove_remedy(attempt, diagnosis, plan, applied)
                attempts.append(settle(attempt, plan, applied, proof, backup))
                if attempts[-1].kept:
                    break
    ended = end_incident(work, attempts, plan)
    report = write_report(ended, diagnosis, plan, attempts)
    tell_people(ended, report)
    return report


def run_name() -> str:
    """The class, the application and the incident; a run from the UI may bring a plain dict."""
    work = dict(runtime.flow_run.parameters.get("work") or {})
    return f"{runtime.flow_run.flow_name} {work.get('app', '')} {work.get('id', '')}".strip()
