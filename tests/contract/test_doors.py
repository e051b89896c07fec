"""Doors: the same words through any of them are the same trouble."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

import autoloop
from autoloop import settings as chosen
from autoloop.agent.client import as_exception
from autoloop.core.errors import BadRequest, NotFound
from autoloop.core.incident import State, fingerprint, request_of
from autoloop.doors import api, cli, client, intake
from autoloop.ledger.store import Ledger

TEXT = "worker 12 died at 0xdeadbeef: password=hunter2"


class Platform:
    """One ledger behind three doors. Runs are noted down, and end at once."""

    def __init__(self, home: Path, patch: pytest.MonkeyPatch) -> None:
        self.book = Ledger(f"sqlite:///{home / 'ledger.db'}")
        self.book.save_app("shop", {})
        self.runs: list[str] = []
        self.api = api.build(self.book, "t", home / "reports", lambda: None)
        patch.setattr(client, "ledger", lambda: self.book)
        patch.setattr(client, "use_prefect", lambda: None)
        patch.setattr(client, "running", lambda: False)
        patch.setattr(client, "_run_here", self._run_here)
        patch.setattr(client, "report_of", lambda _: {})
        patch.setattr(intake, "start_run", self._start)

    def _run_here(self, deployment: str, parameters: dict[str, Any]) -> None:
        self.runs.append(parameters["incident"])

    async def _start(
        self, deployment: str, parameters: dict[str, Any], key: str, queue: str | None
    ) -> None:
        self.runs.append(parameters["incident"])

    def cli(self, text: str, key: str, app: str, kind: str, user: str) -> None:
        """As a person in a shell."""
        words = ["fix", "--error", text, "--key", key, "--app", app]
        words += ["--type", kind, "--username", user]
        done = CliRunner().invoke(cli.app, words)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception

    def python(self, text: str, key: str, app: str, kind: str, user: str) -> None:
        """As a program."""
        trouble = {"app": app, "error": text, "type": kind}
        autoloop.fix({**trouble, "username": user} if user else trouble, key=key)

    def rest(self, text: str, key: str, app: str, kind: str, user: str) -> None:
        """As another system."""

        async def post() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.api)
            async with httpx.AsyncClient(transport=transport, base_url="http://api") as http:
                headers = {"Authorization": "Bearer t", "Idempotency-Key": key}
                fields = {"username": user} if user else {}
                body = {"app": app, "text": text, "type": kind, "fields": fields}
                return await http.post("/api/incidents", json=body, headers=headers)

        reply = asyncio.run(post())
        if reply.status_code in (404, 422):
            raise as_exception(reply.json())
        reply.raise_for_status()

    def tell(
        self,
        door: str,
        text: str = TEXT,
        key: str = "",
        app: str = "shop",
        kind: str = "",
        user: str = "",
    ) -> None:
        """Hand trouble in through *door*."""
        getattr(self, door)(text, key, app, kind, user)


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """See `Platform`."""
    monkeypatch.setenv("AUTOLOOP_HOME", str(tmp_path))
    chosen.settings.cache_clear()
    made = Platform(tmp_path, monkeypatch)
    yield made
    made.book.engine.dispose()
    chosen.settings.cache_clear()


DOORS = pytest.mark.parametrize("door", ["cli", "python", "rest"])


@DOORS
def test_a_door_makes_this_incident_and_one_run_for_it(platform: Platform, door: str) -> None:
    """Fingerprint, redacted text, source and actor."""
    platform.tell(door)
    [record] = platform.book.records()
    assert record["fingerprint"] == fingerprint(request_of("shop", TEXT))
    assert "hunter2" not in record["text"] and "worker 12 died" in record["text"]
    assert record["source"] == {"rest": "api"}.get(door, door)
    assert record["actor"]
    assert platform.runs == [record["id"]]


@pytest.mark.parametrize("others", [("cli", "python"), ("python", "rest"), ("rest", "cli")])
def test_what_was_told_at_one_door_is_known_at_the_others(
    platform: Platform, others: tuple[str, str]
) -> None:
    """One incident, two events."""
    for door in others:
        platform.tell(door)
    [record] = platform.book.records()
    assert record["events"] == 2


@DOORS
def test_a_key_hands_it_in_once_even_after_the_end(platform: Platform, door: str) -> None:
    """No second incident, no second run, no error."""
    platform.tell(door, key="k")
    [record] = platform.book.records()
    platform.book.move(record["id"], State.IGNORED, "x")
    platform.tell(door, key="k")
    assert len(platform.book.records()) == 1
    assert platform.runs == [record["id"]]


@DOORS
@pytest.mark.parametrize("text", ["", "x" * 300_000, "a\x00b\x1b[31m", "😀 中文 \udcff"])
def test_any_text_is_taken(platform: Platform, door: str, text: str) -> None:
    """Empty, long, and such that is hardly text."""
    if door == "rest":
        text = text.encode("utf-8", "replace").decode()
    platform.tell(door, text)
    assert len(platform.book.records()) == 1


@DOORS
def test_an_application_that_is_not_under_care_is_not_found(platform: Platform, door: str) -> None:
    """By the same error, with the same next step."""
    with pytest.raises(NotFound, match="autoloop register"):
        platform.tell(door, app="nix")
    assert platform.book.records() == []


@DOORS
@pytest.mark.parametrize("kind", ["login", "登录", "LOGIN"])
def test_a_type_and_a_user_go_with_it(platform: Platform, door: str, kind: str) -> None:
    """However the type is written; another type is another trouble."""
    platform.tell(door, kind=kind, user="admin")
    platform.tell(door, kind="database")
    fields = [record["fields"] for record in platform.book.records()]
    assert {"type": "LOGIN", "username": "admin"} in fields
    assert {"type": "DATABASE"} in fields


@DOORS
def test_an_unknown_type_is_refused_with_those_there_are(platform: Platform, door: str) -> None:
    """The same words at each door; nothing is started."""
    with pytest.raises(BadRequest, match="there is: DATABASE") as caught:
        platform.tell(door, kind="weather")
    assert caught.value.place == "type"
    assert platform.book.records() == []
