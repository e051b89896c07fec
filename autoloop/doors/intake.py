"""Intake: a request becomes an incident, and the incident a run. Every door comes through here."""

import asyncio
import random
from typing import Any
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from autoloop.core.errors import BadRequest, HostUnreachable, NotFound, NotSettled
from autoloop.core.incident import Incident, Request
from autoloop.core.taxonomy import default_severity
from autoloop.doors.shapes import Change
from autoloop.ledger.store import Ledger

TRIES = 20
URGENT = "urgent"
"""The work queue of what is down; it comes before all others, and one run of it always fits."""


async def start_run(
    deployment: str, parameters: dict[str, Any], key: str | None = None, queue: str | None = None
) -> UUID:
    """Start a run of a deployment; the same *key* starts it once. *queue* is the deployment's own,
    unless another is named.

    A busy server answers 503 and a restarting one not at all: both are asked again, with jitter.

    Raises:
        NotFound: no deployment is called so.
        BadRequest: the server does not take the parameters.
        HostUnreachable: the server does not answer for about a minute.
    """
    for attempt in range(TRIES):
        try:
            async with get_client() as client:
                found = await client.read_deployment_by_name(f"{deployment}/{deployment}")
                run = await client.create_flow_run_from_deployment(
                    found.id, parameters=parameters, idempotency_key=key, work_queue_name=queue
                )
                return run.id
        except ObjectNotFound:
            place, step = f"deployment '{deployment}'", "see: prefect deployment ls"
            raise NotFound(place, "does not exist", step) from None
        except (PrefectHTTPStatusError, httpx.HTTPError) as error:
            status = getattr(getattr(error, "response", None), "status_code", 503)
            if status < 500:
                place, what = f"deployment '{deployment}'", f"refuses these parameters: {error}"
                raise BadRequest(place, what[:500], "see its parameters in the UI") from None
            if attempt == TRIES - 1:
                raise HostUnreachable("Prefect server", str(error), "try again") from None
            await asyncio.sleep(random.uniform(0.05, 0.3) * (attempt + 1))  # noqa: S311
    raise HostUnreachable("prefect", "no answer", "autoloop up")  # pragma: no cover


async def take(ledger: Ledger, request: Request) -> tuple[Incident, bool]:
    """Open the incident of *request* and start its run; a known one gets no second run.

    The run's idempotency key is the incident, so a crash between the two steps is mended by asking
    again.
    """
    ledger.check_app(request.app)
    incident, new = ledger.open_incident(request)
    if not incident.flow_run and incident.state == "open":
        await start_remediation(incident)
    return incident, new


async def start_remediation(incident: Incident) -> None:
    """Start the run of an incident; asked twice, it starts one."""
    parameters = {"app": incident.app, "error": incident.text, "incident": incident.id}
    queue = URGENT if is_urgent(incident) else None
    await start_run("remediate", parameters, key=f"incident:{incident.id}", queue=queue)


def is_urgent(incident: Incident) -> bool:
    """Whether an application is down: a check saw it, or somebody told it so by its type."""
    return incident.severity == "P0" or default_severity(incident.fields.get("type", "")) == "P0"


async def go_on(incident: Incident) -> None:
    """Resume the suspended run of an incident that was decided; asked twice, it goes on once."""
    async with get_client() as client:
        run = await client.read_flow_run(UUID(incident.flow_run))
        if run.state is not None and run.state.is_paused():
            await client.resume_flow_run(run.id)


async def parameters_of(change: Change) -> dict[str, Any]:
    """The parameters of the flow `change`: instead of the settings the name of their block."""
    from blocks.wish import Wish

    block = ""
    if change.settings:
        block = f"wish-{uuid4().hex}"
        await Wish.of(change.settings).asave(block)
    return {**change.model_dump(), "settings": block}


async def decide_run(number: str, decision: dict[str, Any]) -> UUID:
    """Let the suspended run of a deployment go on with what a person decided. The first counts.

    Args:
        number: ``d-`` and the id of its run; ``r-`` when it goes back, ``c-`` of a change.
        decision: ``approved``, ``actor``, ``reason``.

    Raises:
        NotFound: there is no such run.
        NotSettled: it does not wait.
        BadRequest: the server does not take the decision.
    """
    place = f"deployment '{number[:64]}'"
    try:
        identity = UUID(number.partition("-")[2])
        async with get_client() as client:
            run = await client.read_flow_run(identity)
            if run.state is None or not run.state.is_paused():
                name = (run.state and run.state.name) or "not begun"
                what = f"is {name.lower()}: nothing waits"
                raise NotSettled(place, what, "look at the Prefect UI")
            result = await client.resume_flow_run(identity, run_input=decision)
    except (ValueError, ObjectNotFound):
        raise NotFound(place, "does not exist", "see the Prefect UI") from None
    if result.status == SetStateStatus.ABORT:
        raise NotSettled(place, "was decided already", "look at the Prefect UI")
    if result.status != SetStateStatus.ACCEPT:
        why = str(getattr(result.details, "reason", result.status))[:300]
        raise BadRequest(place, f"was not decided: {why}", "look at the Prefect UI")
    return identity


async def wait_for_server(client: PrefectClient, seconds: float) -> None:
    """Until the Prefect API answers.

    Raises:
        HostUnreachable: it does not, in time.
    """
    end = asyncio.get_running_loop().time() + seconds
    while await client.api_healthcheck() is not None:
        if asyncio.get_running_loop().time() > end:
            what = f"no answer within {seconds:g} s"
            raise HostUnreachable("Prefect server", what, "read logs/server.log in AUTOLOOP_HOME")
        await asyncio.sleep(0.25)
