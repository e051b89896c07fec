"""Intake: an incident gets one run, whatever breaks in between."""

import asyncio
from typing import Any

import httpx
import pytest
from prefect._internal.pydantic.v2_schema import create_v2_schema
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.utilities.schema_tools import ValidationError, validate

from autoloop.core.errors import AutoloopError, BadRequest, HostUnreachable, NotFound, NotSettled
from autoloop.core.incident import State, request_of
from autoloop.doors import intake
from autoloop.doors.shapes import Decision
from autoloop.ledger.store import Ledger
from flows.forms import Answer

Runs = list[tuple[str, dict[str, Any], str | None]]


def take(book: Ledger, **more: Any) -> Any:
    """One report about the shop."""
    return asyncio.run(intake.take(book, request_of("shop", "502", **more)))


def test_a_crash_between_incident_and_run_is_mended_by_asking_again(
    book: Ledger, started: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time starts the run, with the key of the first."""

    async def down(*_: Any, **__: Any) -> None:
        raise HostUnreachable("Prefect server", "no answer", "try again")

    with monkeypatch.context() as broken:
        broken.setattr(intake, "start_run", down)
        with pytest.raises(HostUnreachable):
            take(book)
    orphan = book.waiting()[0]
    incident, new = take(book)
    assert (incident.id, new) == (orphan.id, False)
    assert [key for _, _, key in started] == [f"incident:{orphan.id}"]


def test_an_incident_that_is_worked_on_gets_no_second_run(book: Ledger, started: Runs) -> None:
    """Nor one that has ended, when its key comes again."""
    incident, _ = take(book, idempotency_key="k")
    book.move(incident.id, State.DIAGNOSING, "x", flow_run="r")
    take(book)
    book.move(incident.id, State.ASKED, "x")
    take(book, idempotency_key="k")
    assert len(started) == 1


@pytest.mark.parametrize(
    ("more", "urgent"),
    [
        ({}, False),
        ({"severity": "P0"}, True),
        ({"fields": {"type": "SERVICE.service_down"}}, True),
        ({"fields": {"type": "LOGIN"}}, False),
    ],
)
def test_what_is_down_goes_before_the_rest(book: Ledger, more: Any, urgent: bool) -> None:
    """A check saw it, or somebody told it by its type."""
    incident, _ = book.open_incident(request_of("shop", "502", **more))
    assert intake.is_urgent(incident) is urgent


def test_no_secret_is_a_parameter_of_a_run(book: Ledger, started: Runs) -> None:
    """Prefect stores parameters."""
    asyncio.run(intake.take(book, request_of("shop", "password=hunter2")))
    assert "hunter2" not in str(started)


class Server:
    """A Prefect client that answers as told, then well."""

    def __init__(self, *troubles: Exception) -> None:
        self.troubles, self.asked = list(troubles), 0

    async def __aenter__(self) -> "Server":
        return self

    async def __aexit__(self, *_: Any) -> None:
        """Nothing to close."""

    async def read_deployment_by_name(self, name: str) -> Any:
        """The deployment, unless there is trouble."""
        self.asked += 1
        if self.troubles:
            raise self.troubles.pop(0)
        return type("Found", (), {"id": name})

    async def create_flow_run_from_deployment(self, found: str, **more: Any) -> Any:
        """A run."""
        return type("Run", (), {"id": f"{found} {more['idempotency_key']}"})


def status(code: int) -> PrefectHTTPStatusError:
    """The server's answer as an exception."""
    request = httpx.Request("GET", "http://server")
    return PrefectHTTPStatusError("said", request=request, response=httpx.Response(code))


@pytest.fixture
def starting(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Start a run against a server in trouble."""

    async def at_once(_: float) -> None:
        """Do not wait."""

    monkeypatch.setattr(intake.asyncio, "sleep", at_once)

    def go(*troubles: Exception) -> tuple[Any, int]:
        server = Server(*troubles)
        monkeypatch.setattr(intake, "get_client", lambda: server)
        return asyncio.run(intake.start_run("deploy", {}, "k")), server.asked

    return go


def test_a_busy_or_restarting_server_is_asked_again(starting: Any) -> None:
    """With the same key."""
    got = starting(status(503), httpx.ConnectError("refused"), httpx.ReadTimeout("late"))
    assert got == ("deploy/deploy k", 4)


@pytest.mark.parametrize(
    ("trouble", "kind"),
    [
        ([ObjectNotFound(http_exc=status(404))], NotFound),
        ([status(422)], BadRequest),
        ([httpx.ConnectError("refused")] * intake.TRIES, HostUnreachable),
    ],
)
def test_what_does_not_pass_has_a_name(
    starting: Any, trouble: list[Exception], kind: type[AutoloopError]
) -> None:
    """Each door can tell it."""
    with pytest.raises(kind):
        starting(*trouble)


class Waiting(Server):
    """A client of a server on which one run stands."""

    def __init__(self, paused: bool = True, accepted: bool = True) -> None:
        super().__init__()
        self.paused, self.accepted, self.inputs = paused, accepted, list[Any]()

    async def read_flow_run(self, number: Any) -> Any:
        """The run."""
        state = type("State", (), {"name": "Completed", "is_paused": lambda _: self.paused})()
        return type("Run", (), {"id": number, "state": state})

    async def resume_flow_run(self, number: Any, run_input: dict[str, Any]) -> Any:
        """Go on, unless somebody else was first; what is no answer to the form is refused."""
        self.inputs.append(run_input)
        form = create_v2_schema(Answer.__name__, model_base=Answer)
        status = SetStateStatus.ACCEPT if self.accepted else SetStateStatus.ABORT
        try:
            validate(run_input, form, raise_on_error=True)
        except ValidationError as error:
            details = type("Details", (), {"reason": str(error)})
            return type("Result", (), {"status": SetStateStatus.REJECT, "details": details})
        return type("Result", (), {"status": status})


RUN = "d-6d1c3f0e-8f7f-4d0c-9a5e-0f6c1f3b2a10"


@pytest.mark.parametrize(
    ("number", "server", "kind"),
    [
        (RUN, Waiting(), None),
        (RUN, Waiting(paused=False), NotSettled),
        (RUN, Waiting(accepted=False), NotSettled),
        ("d-nix", Waiting(), NotFound),
        ("d-", Waiting(), NotFound),
    ],
)
def test_the_first_decision_lets_a_deployment_go_on(
    monkeypatch: pytest.MonkeyPatch, number: str, server: Waiting, kind: type[AutoloopError] | None
) -> None:
    """With who decided and why; another is told that nothing waits."""
    monkeypatch.setattr(intake, "get_client", lambda: server)
    decision = Decision(approved=False, actor="ann", reason="at night").model_dump()
    if kind is None:
        asyncio.run(intake.decide_run(number, decision))
        assert server.inputs == [decision]
        return
    with pytest.raises(kind):
        asyncio.run(intake.decide_run(number, decision))


def test_what_the_form_does_not_ask_is_refused_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is not said that somebody else decided."""
    monkeypatch.setattr(intake, "get_client", Waiting)
    with pytest.raises(BadRequest, match="'mood' was unexpected"):
        asyncio.run(intake.decide_run(RUN, {"approved": True, "mood": "fine"}))
