"""A database whose schema or rows are not what the application needs."""

from prefect import flow

from autoloop.core.diagnosis import Diagnosis
from autoloop.core.plan import Plan
from autoloop.core.report import Report
from autoloop.core.work import Work
from flows.loop import close_loop, run_name


@flow(name="database", flow_run_name=run_name, persist_result=True, result_serializer="json")
def database(work: Work, diagnosis: Diagnosis, plan: Plan) -> Report:
    """The schema is behind, or a row that the application itself needs is gone: run the procedure
    that its people declared, and prove it. The database is in the backup that is taken before."""
    return close_loop(work, diagnosis, plan)
