"""Trials: the cases of an application, run on purpose and compared with earlier runs."""

import time
from datetime import UTC, datetime

from prefect.artifacts import create_markdown_artifact

from autoloop.core.errors import AutoloopError
from autoloop.core.regression import Measured, Trial, compare, markdown, measure
from autoloop.core.work import Work
from autoloop.ledger.trials import Trials
from tasks.busy import changed_since
from tasks.look import HostCases
from tasks.step import step
from tasks.target import ledger, spec_of, working_on


@step(keep=False, retries=0, timeout_s=1800)
def try_cases(work: Work, rounds: int, accept: bool) -> Trial:
    """Run every case from the host. An application that cannot be reached is a failed trial, so
    that the others are tried; a run during a change is told, but does not count."""
    began, at = time.time(), datetime.now(UTC).isoformat(timespec="milliseconds")
    try:
        with working_on(work) as host:
            measured = measure(spec_of(work).cases, HostCases(host), rounds)
    except AutoloopError as error:
        return Trial(app=work.app, at=at, ending="fails", kept=False, error=str(error))
    trial = compared(work, at, measured)
    if changed_since(work.app, began):
        trial = trial.model_copy(update={"kept": False})
    else:
        keep_trial(work, trial, accept)
    create_markdown_artifact(markdown(trial), key=f"test-{work.app}", description=work.app)
    return trial


def compared(work: Work, at: str, measured: tuple[Measured, ...]) -> Trial:
    """What was measured, held against what the ledger remembers."""
    newest, good = (
        Trial.model_validate(body) if body else None for body in Trials(ledger()).last(work.app)
    )
    return compare(spec_of(work), at, measured, newest, good)


def keep_trial(work: Work, trial: Trial, accept: bool) -> None:
    """Remember the run; it is the new good one if all is well, or if what is slower is accepted."""
    good = trial.ending == "passes" or (accept and trial.ending == "slower")
    body = trial.model_dump(mode="json")
    Trials(ledger()).save(work.app, body, good, spec_of(work).limits.runs)
