"""What local doors share: who is asked, who tells, and how a failure reads."""

import os
from pathlib import Path
from typing import Any

import pytest

from autoloop.core.app import AppSpec
from autoloop.core.errors import AutoloopError, HostUnreachable, NotFound, NotSettled
from autoloop.core.incident import State, request_of
from autoloop.doors import client
from autoloop.ledger.store import Ledger

PREFECT = "Flow run encountered an exception: "


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Of this process; as before afterwards."""
    made: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", made)
    return made


@pytest.mark.parametrize(
    ("message", "kind", "said"),
    [
        (f"{PREFECT}NotFound: app 'x': is gone - look", NotFound, "app 'x': is gone - look"),
        (
            f"{PREFECT}NotFound: http://x: a: b - c - d\ne",
            NotFound,
            "http://x: a: b - c - d\ne",
        ),
        (
            f"{PREFECT}ValueError: boom",
            AutoloopError,
            f"run 1: {PREFECT}ValueError: boom - look at the Prefect UI",
        ),
        ("", AutoloopError, "run 1:  - look at the Prefect UI"),
    ],
)
def test_a_failed_run_says_what_its_error_said(
    message: str, kind: type[AutoloopError], said: str
) -> None:
    """As if it had happened here; what has no name is told as Prefect has it."""
    error = client._why("run 1", message)
    assert (type(error), str(error)) == (kind, said)


def test_the_running_platform_is_told_who_reports(
    book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The door and the person, not only that the token was right."""
    sent: list[dict[str, Any]] = []

    def call(_method: str, _path: str, body: Any, _key: str) -> dict[str, Any]:
        sent.append(body)
        return {"incident": "i-1"}

    monkeypatch.setattr(client, "use_prefect", lambda: None)
    monkeypatch.setattr(client, "running", lambda: True)
    monkeypatch.setattr(client, "call", call)
    monkeypatch.setattr(client, "_wait", lambda *_: {})
    client.fix(request_of("shop", "502", source="cli", actor="ann"))
    wanted = {"app": "shop", "text": "502", "fields": {}, "source": "cli", "actor": "ann"}
    assert sent == [wanted]


def test_a_key_is_the_same_with_and_without_a_platform(
    book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the token's, as whoever reads the ledger may read the token."""
    monkeypatch.setattr(client, "use_prefect", lambda: None)
    monkeypatch.setattr(client, "running", lambda: False)
    key = {"idempotency_key": "k"}
    incident, _ = book.open_incident(request_of("shop", "502", bearer="token", **key))
    book.move(incident.id, State.IGNORED, "x")
    record = client.fix(request_of("shop", "502", source="cli", actor="ann", **key))
    assert record["id"] == incident.id


@pytest.mark.parametrize(
    ("running", "given", "level"),
    [(False, {}, "CRITICAL"), (False, "INFO", "INFO"), (True, {}, None)],
)
def test_prefect_is_quiet_in_a_process_of_its_own(
    home: Any,
    monkeypatch: pytest.MonkeyPatch,
    environment: dict[str, str],
    running: bool,
    given: Any,
    level: str | None,
) -> None:
    """The door says what went wrong; who wants to see more says so."""
    monkeypatch.setattr(client, "running", lambda: running)
    environment.update({client.CONSOLE: given} if given else {})
    client.use_prefect()
    assert environment.get(client.CONSOLE) == level


def test_a_server_that_does_not_start_in_time_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine is no bug; any other trouble of a run is told as it is."""
    said = ["Timed out while attempting to connect to ephemeral Prefect API server.", "other"]

    def flow(**_: Any) -> None:
        raise RuntimeError(said.pop(0))

    monkeypatch.setattr("prefect.flows.load_flow_from_entrypoint", lambda _: flow)
    with pytest.raises(HostUnreachable, match="autoloop up"):
        client._run_here("health", {})
    with pytest.raises(RuntimeError, match="other"):
        client._run_here("health", {})


@pytest.mark.parametrize(
    ("name", "environment", "chosen"),
    [
        ("", "staging", "shop-staging"),
        ("", "production", None),
        ("shop", "production", "shop"),
        ("shop", "staging", None),
        ("", "nix", None),
        ("", "", None),
        ("billing", "", "billing"),
    ],
)
def test_an_environment_stands_for_its_only_application(
    book: Ledger, name: str, environment: str, chosen: str | None
) -> None:
    """Otherwise the error lists what there is, and where."""
    for app, where in (
        ("shop", "production"),
        ("billing", "production"),
        ("shop-staging", "staging"),
    ):
        book.save_app(app, {"environment": where})
    if chosen:
        assert client.only_app(book, name, environment) == chosen
        return
    with pytest.raises(NotFound, match="billing") as caught:
        client.only_app(book, name, environment)
    assert not environment or f"--env {environment}" in str(caught.value)


def test_a_deployment_is_decided_at_its_own_place(
    home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name tells it from an incident; without a platform nothing waits."""
    asked: list[str] = []
    monkeypatch.setattr(client, "running", lambda: True)
    monkeypatch.setattr(client, "call", lambda _, path, body: asked.append(path) or body)
    for number in ("d-1", "r-1", "c-1", "i-1"):
        client.decide(number, True, "ann", "")
    kinds = [path.split("/")[2] for path in asked]
    assert kinds == ["deployments", "deployments", "deployments", "incidents"]
    monkeypatch.setattr(client, "running", lambda: False)
    with pytest.raises(AutoloopError, match="no platform runs"):
        client.decide("d-1", True, "ann", "")


def test_an_application_is_brought_to_a_host_by_one_process(
    monkeypatch: pytest.MonkeyPatch, spec: AppSpec, home: Path, book: Ledger
) -> None:
    """The second would end with nothing begun, and take away what the first one registers."""
    book.forget_app("shop")
    monkeypatch.setattr(client, "read_spec", lambda _: spec)
    began = []

    def twice(*given: Any) -> dict[str, Any]:
        began.append(given)
        with pytest.raises(NotSettled, match="is being installed by another process here"):
            client.install(home, "", "", False)
        return {"kept": False}

    monkeypatch.setattr(client, "_install", twice)
    monkeypatch.setattr(client, "use_prefect", lambda: None)
    client.install(home, "", "", False)
    client.install(home, "", "", False)
    assert len(began) == 2
