"""The cases of applications as a suite."""

from typing import Annotated

from prefect import flow, runtime

from autoloop.core.regression import Regression
from autoloop.core.work import Work
from flows.forms import Apps, field
from tasks.regression import try_cases
from tasks.target import ledger

Rounds = Annotated[
    int, field("Rounds", "So often each case is run; the median of its times counts.", ge=1, le=50)
]
Accept = Annotated[
    bool, field("Slower is the new normal", "Keep this run as the good one also if it is slower.")
]


def run_name() -> str:
    """The applications that are tested; of many only how many."""
    apps = runtime.flow_run.parameters.get("apps") or ["all"]
    return f"test {', '.join(apps) if len(apps) <= 3 else f'{len(apps)} applications'}"


@flow(name="regression", flow_run_name=run_name, persist_result=True, result_serializer="json")
def regression(apps: Apps = (), rounds: Rounds = 3, accept: Accept = False) -> Regression:
    """Run every case of applications from their hosts, several times, and compare with the last
    run in which all was well: what fails now, what works again, what has become slower."""
    chosen = list(apps or ledger().apps())
    for app in chosen:
        ledger().check_app(app)
    works = [Work(id=f"t-{runtime.flow_run.id}/{app}", app=app) for app in chosen]
    return Regression(trials=tuple(try_cases(work, rounds, accept) for work in works))
