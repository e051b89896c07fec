"""Services that do not run, or cannot."""

from prefect import flow

from autoloop.core.diagnosis import Diagnosis
from autoloop.core.plan import Plan
from autoloop.core.report import Report
from autoloop.core.work import Work
from flows.loop import close_loop, run_name


@flow(name="service", flow_run_name=run_name, persist_result=True, result_serializer="json")
def service(work: Work, diagnosis: Diagnosis, plan: Plan) -> Report:
    """A unit is down or its port is taken: free what blocks it, start it, prove it by the app's
    cases. Way back: stop it again; what was ended stays ended and is named in the report."""
    return close_loop(work, diagnosis, plan)
