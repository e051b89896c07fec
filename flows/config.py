"""Settings and configuration that are missing, wrong, or do not parse."""

from prefect import flow

from autoloop.core.diagnosis import Diagnosis
from autoloop.core.plan import Plan
from autoloop.core.report import Report
from autoloop.core.work import Work
from flows.loop import close_loop, run_name


@flow(name="config", flow_run_name=run_name, persist_result=True, result_serializer="json")
def config(work: Work, diagnosis: Diagnosis, plan: Plan) -> Report:
    """A setting or configuration file differs from the last good state and something is broken:
    put just that back, restart, prove it. Way back: the journal restores every byte."""
    return close_loop(work, diagnosis, plan)
