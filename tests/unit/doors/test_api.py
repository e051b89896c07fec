"""The REST API: who may, what is taken, and how a refusal reads."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from autoloop.core.incident import TEXT_LIMIT
from autoloop.doors.api import BODY_LIMIT, build
from autoloop.ledger.store import Ledger

Runs = list[tuple[str, dict[str, Any], str | None]]


@pytest.fixture
def nudges() -> list[int]:
    """How often the worker was woken."""
    return []


class Api:
    """Requests to the application itself, with a valid token unless another is given."""

    def __init__(self, app: Any) -> None:
        self._transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One request in an event loop of its own."""
        headers = {"Authorization": "Bearer t0ken", **more.pop("headers", {})}

        async def ask() -> httpx.Response:
            client = httpx.AsyncClient(transport=self._transport, base_url="http://api")
            async with client:
                return await client.request(method, path, headers=headers, **more)

        return asyncio.run(ask())

    def get(self, path: str, **more: Any) -> httpx.Response:
        """Ask."""
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        """Hand in."""
        return self.request("POST", path, **more)


@pytest.fixture
def api(book: Ledger, started: Runs, home: Path, nudges: list[int]) -> Api:
    """The API of this platform."""
    return Api(build(book, "t0ken", home / "reports", lambda: nudges.append(1)))


def refused(reply: Any, status: int, code: int) -> dict[str, Any]:
    """A refusal has a code, a place, a value and a next step."""
    assert reply.status_code == status, reply.text
    body: dict[str, Any] = reply.json()
    assert body["code"] == code
    assert body["place"] and body["what"] and body["next"]
    return body


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic t0ken", "Bearer t0kenx"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/apps"),
        ("GET", "/api/incidents"),
        ("GET", "/api/incidents/i-1"),
        ("GET", "/api/incidents/i-1/report.md"),
        ("POST", "/api/incidents"),
        ("POST", "/api/runs/deploy"),
    ],
)
def test_nothing_is_told_without_the_token(api: Api, header: str, method: str, path: str) -> None:
    """Whatever else is right or wrong with the call."""
    body = {"app": "shop"} if "incidents" in path else {}
    reply = api.request(method, path, headers={"Authorization": header}, json=body)
    refused(reply, 401, 1003)


def test_health_needs_no_token(api: Api) -> None:
    """A supervisor asks it."""
    assert api.get("/healthz", headers={"Authorization": ""}).json() == {"status": "ok"}


def test_trouble_becomes_one_incident_and_one_run(
    api: Api, started: Runs, nudges: list[int]
) -> None:
    """Told again, it is the same, and its run has the same key."""
    replies = [api.post("/api/incidents", json={"app": "shop", "text": "502"}) for _ in range(2)]
    assert [r.status_code for r in replies] == [202, 202]
    assert [r.json()["new"] for r in replies] == [True, False]
    number = replies[0].json()["incident"]
    assert {key for _, _, key in started} == {f"incident:{number}"}
    assert started[0][:2] == ("remediate", {"app": "shop", "error": "502", "incident": number})
    assert len(nudges) == 2
    assert [r["id"] for r in api.get("/api/incidents").json()["incidents"]] == [number]


def test_a_key_hands_trouble_in_once(api: Api, book: Ledger) -> None:
    """Other words under the same key change nothing."""
    for text in ("502", "other words"):
        head = {"Idempotency-Key": "k"}
        assert api.post(
            "/api/incidents", json={"app": "shop", "text": text}, headers=head
        ).is_success
    assert [r["events"] for r in book.records()] == [1]


def test_the_door_it_came_through_is_kept(api: Api, book: Ledger) -> None:
    """With the person who told it; the key stays the token's."""
    for actor in ("ann", "bob"):
        body = {"app": "shop", "text": actor, "source": "cli", "actor": actor}
        api.post("/api/incidents", json=body, headers={"Idempotency-Key": "k"})
    [record] = book.records()
    assert (record["source"], record["actor"]) == ("cli", "ann")
    assert record["timeline"][0]["reason"] == "reported through the command line by ann"


def test_the_key_of_a_run_goes_with_it(api: Api, started: Runs) -> None:
    """Prefect starts it once."""
    head = {"Idempotency-Key": "k"}
    reply = api.post("/api/runs/deploy", json={"parameters": {"app": "shop"}}, headers=head)
    assert (reply.status_code, reply.json()) == (202, {"flow_run": "run-1"})
    assert started == [("deploy", {"app": "shop"}, "k")]


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "body.app"),
        ({"app": "Bad App"}, "body.app"),
        ({"app": "my_app"}, "body.app"),
        ({"app": "shop", "source": "health"}, "body.source"),
        ({"app": "shop", "source": "ui"}, "body.source"),
        ({"app": "shop", "actor": ""}, "body.actor"),
        ({"app": "shop", "actor": "a" * 129}, "body.actor"),
        ({"app": "shop", "bearer": "other"}, "body.bearer"),
        ({"app": "x" * 65}, "body.app"),
        ({"app": "shop", "text": 5}, "body.text"),
        ({"app": "shop", "nix": 1}, "body.nix"),
        ({"app": "shop", "fields": {"a": {}}}, "body.fields.a"),
        ({"app": "shop", "fields": {str(n): "" for n in range(65)}}, "body.fields"),
        ([], "body"),
    ],
)
def test_what_cannot_be_taken_is_named(api: Api, started: Runs, body: Any, place: str) -> None:
    """And nothing is started."""
    assert refused(api.post("/api/incidents", json=body), 422, 1000)["place"] == place
    assert started == []


HOSTILE = [
    b"",
    b"{",
    b"\xff\xfe",
    b"\x00" * 100_000,
    b'{"app": "shop", "text": "\\ud800"}',
    b'{"app": "shop", "text": "\\u0000\\u001b[31m\\u202e"}',
    b'{"app": "shop", "fields": {"\\u001b]0;x\\u0007": "\\u009b31m"}}',
    b'{"app": "shop", "text": ' + b"9" * 5000 + b"}",
    b'{"app": "shop", "text": 1e999999}',
    b'{"app": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
    b'{"app": "shop", "fields": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}",
]


@pytest.mark.parametrize("content", HOSTILE)
def test_a_body_that_is_no_json_is_refused_or_mended(api: Api, content: bytes) -> None:
    """Never an error of the server."""
    reply = api.post(
        "/api/incidents", content=content, headers={"Content-Type": "application/json"}
    )
    assert reply.status_code in (202, 400, 422), reply.text
    assert len(reply.content) < 2000
    if not reply.is_success:
        assert set(reply.json()) == {"code", "error", "place", "what", "next"}


def test_an_application_that_is_not_under_care_is_not_found(api: Api, started: Runs) -> None:
    """With the way to take it into care."""
    body = refused(api.post("/api/incidents", json={"app": "nix"}), 404, 1004)
    assert "register" in body["next"]
    assert started == []


def test_a_long_key_is_refused(api: Api) -> None:
    """The ledger has 128 characters for it."""
    head = {"Idempotency-Key": "k" * 129}
    refused(api.post("/api/incidents", json={"app": "shop"}, headers=head), 422, 1000)


def test_a_long_text_keeps_its_ends(api: Api, book: Ledger) -> None:
    """As through any other door."""
    text = "A" + "x" * TEXT_LIMIT + "Z"
    assert api.post("/api/incidents", json={"app": "shop", "text": text}).status_code == 202
    kept = book.records()[0]["text"]
    assert len(kept) <= TEXT_LIMIT and kept[0] + kept[-1] == "AZ"


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_beyond_the_limit_is_refused_before_it_is_read(api: Api, announced: bool) -> None:
    """Whether its length is announced or it comes in pieces."""

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(BODY_LIMIT // 65536 + 2):
            yield b"x" * 65536

    content = b"x" * (BODY_LIMIT + 1) if announced else pieces()
    body = refused(api.post("/api/incidents", content=content), 413, 1000)
    assert str(BODY_LIMIT) in body["what"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nix", 404), ("GET", "/api/incidents/nix", 404), ("DELETE", "/api/incidents", 405)],
)
def test_unknown_ways_have_codes_too(api: Api, method: str, path: str, status: int) -> None:
    """And a next step."""
    refused(api.request(method, path), status, 1004 if status == 404 else 1000)


@pytest.mark.parametrize("limit", [-1, 0, 10**9])
def test_a_list_is_bounded(api: Api, limit: int) -> None:
    """Whatever is asked for."""
    assert api.get("/api/incidents", params={"limit": limit}).status_code == 200


@pytest.fixture
def written(api: Api, home: Path) -> str:
    """An incident with its report, and a file beside that is nobody's business."""
    number = str(api.post("/api/incidents", json={"app": "shop"}).json()["incident"])
    (home / "reports").mkdir()
    for ending in ("md", "zh.html", "json"):
        (home / "reports" / f"{number}.{ending}").write_text(ending)
    (home / "secret.md").write_text("secret")
    (home / "reports" / f"{number}.key").write_text("secret")
    return number


@pytest.mark.parametrize(
    ("ending", "kind"),
    [("md", "text/markdown"), ("zh.html", "text/html"), ("json", "application/json")],
)
def test_a_report_is_given_out(api: Api, written: str, ending: str, kind: str) -> None:
    """With its type."""
    reply = api.get(f"/api/incidents/{written}/report.{ending}")
    assert (reply.status_code, reply.text) == (200, ending)
    assert reply.headers["content-type"].startswith(kind)


@pytest.mark.parametrize(
    "path",
    [
        "{0}/report.key",
        "{0}/report.html",
        "{0}/report.zh.zh.html",
        "{0}/report./../../secret.md",
        "{0}/report.%2e%2e%2f%2e%2e%2fsecret.md",
        "..%2fsecret/report.md",
        "%2e%2e/report.md",
        "../secret/report.md",
        "{0}%00/report.md",
    ],
)
def test_no_other_file_is(api: Api, written: str, path: str) -> None:
    """However it is asked for."""
    reply = api.get(f"/api/incidents/{path.format(written)}")
    assert reply.status_code == 404, reply.text
    assert "secret" not in reply.text.replace("secret.md", "").replace("/secret/", "")


def test_a_change_keeps_its_settings_out_of_the_run(
    api: Api, started: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in a block, whose name the run gets."""
    kept: list[dict[str, str]] = []

    async def save(self: Any, name: str) -> None:
        kept.append({name: str(self.values())})

    monkeypatch.setattr("blocks.wish.Wish.asave", save)
    body = {"app": "shop", "settings": {"DB_PASSWORD": "hunter2"}, "procedures": ["accounts"]}
    assert api.post("/api/changes", json=body).status_code == 202
    [(deployment, parameters, _)] = started
    assert deployment == "change"
    assert "hunter2" not in str(parameters)
    assert "hunter2" in kept[0][parameters["settings"]]
    assert api.post("/api/changes", json={**body, "app": "nix"}).status_code == 404
    assert api.post("/api/changes", json={**body, "nix": 1}).status_code == 422
