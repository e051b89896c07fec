"""Settings and configuration that are missing, wrong, or do not parse."""

from prefect import flow

from autoloop.core.report import Report
from autoloop.core.told import UNKNOWN_KIND, told
from flows.forms import App, ConfigTrouble, Handed, Seen, Setting
from flows.loop import close_loop, repair, run_name


@flow(name="config", flow_run_name=run_name, persist_result=True, result_serializer="json")
def config(
    app: App,
    seen: Seen = "",
    kind: ConfigTrouble = UNKNOWN_KIND,
    setting: Setting = "",
    found: Handed = None,
) -> Report:
    """A setting or configuration file differs from the last good state and something is broken:
    put just that back, restart, prove it. Way back: the journal restores every byte."""
    if found is not None:
        return close_loop(found)
    return repair(told("CONFIG", app, seen, kind, setting=setting))
