"""People who cannot log in."""

from prefect import flow

from autoloop.core.report import Report
from autoloop.core.told import UNKNOWN_KIND, told
from flows.forms import App, Handed, LoginTrouble, Seen, Username
from flows.loop import close_loop, repair, run_name


@flow(name="login", flow_run_name=run_name, persist_result=True, result_serializer="json")
def login(
    app: App,
    seen: Seen = "",
    kind: LoginTrouble = UNKNOWN_KIND,
    username: Username = "",
    found: Handed = None,
) -> Report:
    """An account is missing, or a login is refused that must work: run the procedure that the
    application's people declared. Never a guess, and never a wider right than before."""
    if found is not None:
        return close_loop(found)
    return repair(told("LOGIN", app, seen, kind, username=username))
