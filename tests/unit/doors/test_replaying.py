"""``autoloop replay``: what it says, its exit codes, and that nothing teaches about itself."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from autoloop.core.case import CaseResult
from autoloop.core.diagnose import diagnose
from autoloop.core.diagnosis import Diagnosis
from autoloop.core.experience import Outcome
from autoloop.core.facts import SettingsDrift
from autoloop.core.incident import State, request_of
from autoloop.core.sight import sight_of
from autoloop.doors import cli
from autoloop.doors.api import build
from autoloop.doors.replaying import as_time
from autoloop.ledger.memories import Memories
from autoloop.ledger.store import Ledger

FAIL = CaseResult(name="health", passed=False, status=500, why="status 500, expected 200")
SETTING, CODE = "CONFIG.invalid_config_file", "CODE.runtime_error"


def run(*words: str) -> Any:
    """One call."""
    return CliRunner().invoke(cli.app, ["replay", *words])


@pytest.fixture
def facts(scenes: Any) -> Any:
    """Code and a setting are not as they were."""
    changed = SettingsDrift(changed={"LIMIT": ("5", "7")})
    drift = (scenes.drift("/srv/shop/app/views.py"), scenes.drift("/etc/shop.env", changed))
    return scenes.facts(status=500, failing=(FAIL,), drift=drift)


def diagnosed(book: Ledger, scenes: Any, facts: Any, text: str, seen: bool = True) -> str:
    """An incident, diagnosed by the rules and with the experience of that time."""
    number = book.open_incident(request_of("shop", text))[0].id
    found: Diagnosis = diagnose(scenes.spec, facts, (FAIL,), "t")
    book.move(number, State.DIAGNOSING, "x")
    book.move(number, State.ASKED, "x", diagnosis=found.model_dump(mode="json"))
    if seen:
        kept = sight_of(scenes.spec, facts, (FAIL,), "t")
        Memories(book).keep_sight(number, "shop", kept)
    return number


def came(book: Ledger, number: str, attempt: int, cause: str, probe: str, cured: bool) -> None:
    """What came of an attempt."""
    one = Outcome(incident=number, cause=cause, probe=probe, cured=cured)
    Memories(book).learn("shop", attempt, one)


def test_nothing_has_changed(book: Ledger, scenes: Any, facts: Any) -> None:
    """0, and what is not kept is counted."""
    diagnosed(book, scenes, facts, "a")
    diagnosed(book, scenes, facts, "b", seen=False)
    done = run()
    assert done.exit_code == 0
    assert done.output.splitlines()[-2:] == [
        "1 replayed: 1 same",
        "1 more: what was seen is not kept",
    ]
    assert run("--since", "2999-01-01").output == "nothing to replay\n"


def test_what_repairs_have_taught_changes_a_near_tie(book: Ledger, scenes: Any, facts: Any) -> None:
    """5; better, as its own repair was put back, which by itself teaches it nothing."""
    numbers = [diagnosed(book, scenes, facts, text) for text in "abcd"]
    came(book, numbers[0], 1, SETTING, "setting_wrong", cured=False)
    assert json.loads(run("--json").output)["same"] == 4
    for number in numbers:
        came(book, number, 1, SETTING, "setting_wrong", cured=False)
        came(book, number, 2, CODE, "code_changed", cured=True)
    done = run("--app", "shop")
    assert done.exit_code == 5
    assert "4 replayed: 4 better" in done.output
    assert "why  past repairs: repairs of this cause here: 3 proved, 0 put back" in done.output
    row = json.loads(run("--json").output)["incidents"][0]
    assert (row["was"]["name"], row["now"]["name"]) == (SETTING, CODE)
    assert (row["proved"], row["put_back"]) == ([CODE], [SETTING])


def asked_of(book: Ledger, home: Path, params: dict[str, Any]) -> httpx.Response:
    """The same of the API."""
    transport = httpx.ASGITransport(app=build(book, "t", home, lambda: None))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            allowed = {"Authorization": "Bearer t"}
            return await client.get("/api/replay", params=params, headers=allowed)

    return asyncio.run(ask())


def test_the_api_replays_in_pages(book: Ledger, scenes: Any, facts: Any, home: Path) -> None:
    """The newest first, until there is nothing older; all of them are what the command shows."""
    numbers = [diagnosed(book, scenes, facts, text) for text in "abcde"]
    book.open_incident(request_of("shop", "not diagnosed"))
    pages, before = [], ""
    while not pages or before:
        page = asked_of(book, home, {"limit": 2, "app": "shop", "before": before}).json()
        pages.append([row["incident"] for row in page["incidents"]])
        before = page["older"]
    assert pages == [numbers[3:], numbers[1:3], numbers[:1]]
    whole = asked_of(book, home, {}).json()
    assert whole == json.loads(run("--json").output)
    assert (whole["same"], whole["older"]) == (5, "")


@pytest.mark.parametrize(
    ("asked", "status", "place"),
    [
        ({"app": "other"}, 404, "app 'other'"),
        ({"before": "i-none"}, 404, "incident 'i-none'"),
        ({"since": "yesterday"}, 422, "since"),
        ({"limit": "many"}, 422, "query.limit"),
    ],
)
def test_the_api_refuses_wrong_words(
    book: Ledger, home: Path, asked: dict[str, str], status: int, place: str
) -> None:
    """With their place."""
    reply = asked_of(book, home, asked)
    assert (reply.status_code, reply.json()["place"]) == (status, place)


def test_wrong_words(book: Ledger) -> None:
    """An application that is not under care, and no date."""
    assert isinstance(run("--app", "other").exception, Exception)
    assert "is no date" in str(run("--since", "yesterday").exception)
    assert as_time("2026-11-01T02:00+02:00") == "2026-11-01T00:00:00.000+00:00"
    assert as_time("2026-11-01") == "2026-11-01T00:00:00.000+00:00"
