"""The loop that every class flow closes: choose, save, repair, prove, keep or put back, report."""

from autoloop.core.diagnosis import Diagnosis
from autoloop.core.report import Report, Settled
from autoloop.core.work import Work
from tasks.backup import take_backup
from tasks.plan import choose_remedies
from tasks.repair import apply_remedy, ask_person, prove_remedy, settle
from tasks.report import write_report
from tasks.target import writing


def close_loop(work: Work, diagnosis: Diagnosis) -> Report:
    """One attempt after the other until one is proved; then the report."""
    plan = choose_remedies(work, diagnosis)
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
    asked = ask_person(work, attempts, plan)
    return write_report(asked, diagnosis, plan, attempts)
