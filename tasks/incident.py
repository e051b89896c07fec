"""Incidents: opened, or taken up again."""

from prefect import runtime

from autoloop.core.app import AppSpec
from autoloop.core.errors import BadRequest
from autoloop.core.incident import Incident, request_of
from autoloop.core.told import Told
from autoloop.core.work import Work
from tasks.step import step
from tasks.target import ledger, spec_of


@step(retries=3)
def open_incident(work: Work, told: Told) -> Incident:
    """Take up the incident that this run was started for, or open one for what a person told.

    Raises:
        NotFound: the application is not under care, or there is no such incident.
        BadRequest: what was told names something that the application does not have.
        NotSettled: another run works on that trouble; what was told is added to it.
    """
    run = str(runtime.flow_run.id or "")
    if told.incident:
        return ledger().take_up(told.incident, run)
    ledger().check_app(told.app)
    check_names(spec_of(work), told)
    request = request_of(
        told.app, told.seen, fields=told.fields, source="ui", actor="ui", idempotency_key=run
    )
    incident, _ = ledger().open_incident(request)
    return ledger().take_up(incident.id, run)


def check_names(spec: AppSpec, told: Told) -> None:
    """Refuse a component that the application does not have.

    Raises:
        BadRequest: naming it, and those that there are.
    """
    named, known = told.fields.get("component", ""), [part.name for part in spec.components]
    if named and named not in known:
        what = f"{spec.name} has no such component, but {', '.join(known)}"
        raise BadRequest(f"component '{named}'", what, "choose one of them, or leave it empty")
