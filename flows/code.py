"""Code that does not parse, import or work."""

from prefect import flow

from autoloop.core.report import Report
from autoloop.core.told import UNKNOWN_KIND, told
from flows.forms import App, CodeTrouble, File, Handed, Seen
from flows.loop import close_loop, repair, run_name


@flow(name="code", flow_run_name=run_name, persist_result=True, result_serializer="json")
def code(
    app: App,
    seen: Seen = "",
    kind: CodeTrouble = UNKNOWN_KIND,
    file: File = "",
    found: Handed = None,
) -> Report:
    """Code was changed by hand since it was last proved good, or lacks a package that it declares:
    put just those files back, or run the declared installation, restart, prove it by the app's
    cases. Way back: the journal restores every byte."""
    if found is not None:
        return close_loop(found)
    return repair(told("CODE", app, seen, kind, file=file))
