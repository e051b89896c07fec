"""A database whose schema or rows are not what the application needs."""

from prefect import flow

from autoloop.core.report import Report
from autoloop.core.told import UNKNOWN_KIND, told
from flows.forms import App, DatabaseTrouble, Handed, Seen, Table
from flows.loop import close_loop, repair, run_name


@flow(name="database", flow_run_name=run_name, persist_result=True, result_serializer="json")
def database(
    app: App,
    seen: Seen = "",
    kind: DatabaseTrouble = UNKNOWN_KIND,
    table: Table = "",
    found: Handed = None,
) -> Report:
    """The schema is behind, or a row that the application itself needs is gone: run the procedure
    that its people declared, and prove it. The database is in the backup that is taken before."""
    if found is not None:
        return close_loop(found)
    return repair(told("DATABASE", app, seen, kind, table=table))
