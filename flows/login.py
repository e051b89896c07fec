"""People who cannot log in."""

from prefect import flow

from autoloop.core.diagnosis import Diagnosis
from autoloop.core.plan import Plan
from autoloop.core.report import Report
from autoloop.core.work import Work
from flows.loop import close_loop, run_name


@flow(name="login", flow_run_name=run_name, persist_result=True, result_serializer="json")
def login(work: Work, diagnosis: Diagnosis, plan: Plan) -> Report:
    """An account is missing, or a login is refused that must work: run the procedure that the
    application's people declared. Never a guess, and never a wider right than before."""
    return close_loop(work, diagnosis, plan)
