"""Code that does not parse, import or work."""

from prefect import flow

from autoloop.core.diagnosis import Diagnosis
from autoloop.core.plan import Plan
from autoloop.core.report import Report
from autoloop.core.work import Work
from flows.loop import close_loop, run_name


@flow(name="code", flow_run_name=run_name, persist_result=True, result_serializer="json")
def code(work: Work, diagnosis: Diagnosis, plan: Plan) -> Report:
    """Code was changed by hand since it was last proved good, or lacks a package that it declares:
    put just those files back, or run the declared installation, restart, prove it by the app's
    cases. Way back: the journal restores every byte."""
    return close_loop(work, diagnosis, plan)
