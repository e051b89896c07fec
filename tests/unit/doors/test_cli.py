"""The command line: help, JSON, exit codes, and errors in one line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from autoloop.core.errors import AutoloopError
from autoloop.core.incident import Request, State
from autoloop.doors import cli, client
from autoloop.ledger.store import Ledger

COMMANDS = ["up", "demo", "register", "unregister", "doctor", "fix", "incidents", "report"]
COMMANDS += ["test", "deploy", "change", "rollback", "backups", "drill", "replay"]


def run(*words: str, stdin: Any = None) -> Any:
    """One call."""
    return CliRunner().invoke(cli.app, list(words), input=stdin)


@pytest.fixture
def asked(book: Ledger, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """The requests that reached the platform; each ends at a person."""
    requests: list[Request] = []

    def fix(request: Request) -> dict[str, Any]:
        requests.append(request)
        incident, _ = book.open_incident(request)
        book.move(incident.id, State.ASKED, "x")
        return book.record(incident.id)

    monkeypatch.setattr(client, "fix", fix)
    return requests


def test_help_lists_every_command_and_each_has_its_own() -> None:
    """A sentence each."""
    overview = run("--help")
    assert overview.exit_code == 0
    for name in COMMANDS:
        assert name in overview.output
        own = run(name, "--help")
        assert own.exit_code == 0
        assert "Usage" in own.output


def test_help_is_instant() -> None:
    """It loads neither Prefect nor the database."""
    line = "import sys, autoloop.doors.cli; print([m for m in sys.modules if m in sys.argv[1:]])"
    heavy = ["prefect", "sqlalchemy", "fabric", "fastapi", "httpx"]
    done = subprocess.run([sys.executable, "-c", line, *heavy], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nix"],
        ["fix", "--nix"],
        ["report"],
        ["report", "i-1", "--lang", "fr"],
        ["report", "i-1", "--html", "--json"],
        ["deploy"],
        ["rollback", "a"],
    ],
)
def test_wrong_usage_is_2(words: list[str]) -> None:
    """As with every other program."""
    assert run(*words).exit_code == 2


def test_fix_hands_in_what_was_said(asked: list[Request]) -> None:
    """The only application needs no name; 3 is: a person is asked."""
    done = run("fix", "--error", "502", "--key", "k", "--json")
    assert done.exit_code == 3
    assert json.loads(done.output)["state"] == "asked a person"
    assert (asked[0].app, asked[0].text, asked[0].source) == ("shop", "502", "cli")
    assert (asked[0].idempotency_key, bool(asked[0].actor)) == ("k", True)


def test_fix_takes_what_is_known_of_it(asked: list[Request]) -> None:
    """The command that people know, and any further fields; the report is named."""
    done = run(
        "fix", "--type", "登录", "--username", "admin", "--error", "密码错误", "--field", "a=b=c"
    )
    assert asked[0].fields == {"type": "LOGIN", "username": "admin", "a": "b=c"}
    assert done.output.splitlines()[-1].startswith("autoloop report i-")


def test_fix_reads_any_bytes(asked: list[Request]) -> None:
    """A log need not be UTF-8."""
    run("fix", "--error", "-", stdin=b"\xff\xfe broken \xe4\xb8\xad")
    assert "broken 中" in asked[0].text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fix", "--app", "nix"], "app 'nix': is not under care - "),
        (["fix", "--app", "Bad App"], "app 'Bad App': is not under care - "),
        (["fix", "--key", "k" * 129], "idempotency_key: "),
        (["fix", "--type", "nix"], "type: 'nix' is not known; there is: DATABASE"),
        (["fix", "--field", "nix"], "--field: 'nix' is not NAME=VALUE"),
        (["report", "nix"], "incident 'nix': does not exist - "),
        (["doctor", "/no/such.toml"], "cannot be read"),
        (["unregister", "nix"], "is not under care"),
    ],
)
def test_bad_input_is_told_in_one_line(asked: list[Request], words: list[str], said: str) -> None:
    """Where, what, and what to do; exit code 1; nothing was handed in."""
    done = run(*words)
    assert done.exit_code == 1
    if isinstance(done.exception, AutoloopError):
        assert said in str(done.exception)
    else:
        assert said in done.output
    assert asked == []


def test_a_named_error_has_no_traceback(home: Path) -> None:
    """As a process: one line, exit code 1."""
    done = subprocess.run(
        [sys.executable, "-m", "autoloop.doors.cli", "report", "nix"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == "autoloop: incident 'nix': does not exist - autoloop incidents\n"


ENDED = {
    "app": "shop", "release": "20261121T161500Z-0a1b2c", "new": 0, "modified": 1, "deleted": 0,
    "kept": True, "why": "",
}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "release", "said"),
    [
        (["rollback"], ENDED["release"], "shop: backup 20261121T161500Z-0a1b2c is in place"),
        (["deploy", "--from", "."], "f" * 64, f"shop: release {'f' * 12} is in place"),
    ],
)
def test_what_is_in_place_is_named(
    book: Ledger, monkeypatch: pytest.MonkeyPatch, words: list[str], release: str, said: str
) -> None:
    """A backup by its id, which can be used again; a release by the start of its hash."""
    monkeypatch.setattr(client, "run", lambda *_: {**ENDED, "release": release})
    done = run(*words)
    assert (done.exit_code, said in done.output) == (0, True)


def test_what_was_not_proved_is_undone(book: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1, with the reason."""
    monkeypatch.setattr(client, "run", lambda *_: {**ENDED, "kept": False, "why": "case health"})
    done = run("rollback")
    assert done.exit_code == 1
    assert "was not proved, all is as before: case health" in done.output


def test_two_applications_want_a_choice(book: Ledger) -> None:
    """The known ones are listed."""
    book.save_app("other", {})
    done = run("fix", "--error", "x")
    assert "other, shop" in str(done.exception)


def test_lists_are_json_when_asked(book: Ledger, asked: list[Request]) -> None:
    """And a line each for people; nothing is nothing."""
    assert run("incidents").output == "no incidents\n"
    run("fix", "--error", "502")
    rows = json.loads(run("incidents", "--json").output)
    assert [row["app"] for row in rows] == ["shop"]
    assert rows[0]["id"] in run("incidents").output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "Invalid value"),
        ("name = 'Bad Name'", "name: "),
        ("", "name: Field required"),
    ],
)
def test_doctor_says_what_is_wrong_with_a_file(tmp_path: Path, text: str, said: str) -> None:
    """With its place."""
    file = tmp_path / "autoloop.toml"
    file.write_text(text)
    done = run("doctor", str(file), "--json")
    assert done.exit_code == 1
    row = json.loads(done.output)[0]
    assert not row["ok"]
    assert said in row["what"] and str(file) in row["what"]


def test_doctor_reads_a_file_that_is_no_text(tmp_path: Path) -> None:
    """It is named, not shown."""
    file = tmp_path / "autoloop.toml"
    file.write_bytes(b"\xff\xfe")
    assert "cannot be read" in run("doctor", str(file)).output


def trial(app: str, ending: str, **more: Any) -> dict[str, Any]:
    """One application's run of its cases."""
    return {"app": app, "at": "", "ending": ending, **more}


@pytest.mark.parametrize(
    ("endings", "code"),
    [
        (["passes"], 0),
        (["passes", "slower"], 4),
        (["slower", "fails", "passes"], 1),
    ],
)
def test_the_worst_application_decides(
    book: Ledger, monkeypatch: pytest.MonkeyPatch, endings: list[str], code: int
) -> None:
    """0 all pass, 1 a case fails, 4 only slower."""
    asked: list[Any] = []

    def ran(deployment: str, parameters: dict[str, Any], _: float) -> dict[str, Any]:
        asked.append((deployment, parameters))
        return {"trials": [trial("shop", ending) for ending in endings]}

    monkeypatch.setattr(client, "run", ran)
    done = run("test", "--json")
    assert done.exit_code == code
    assert len(json.loads(done.output)["trials"]) == len(endings)
    assert asked == [("regression", {"apps": ["shop"], "rounds": 3, "accept": False})]


def test_each_case_is_a_line_with_its_reason(book: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """And an application that was not reached says why."""
    row = {"name": "a [b]", "passed": False, "ms": 1.0, "why": "status 500"}
    failed = trial("shop", "fails", rows=[{**row, "verdict": "newly failing"}])
    away = trial("other", "fails", error="host x: no route - look")
    monkeypatch.setattr(client, "run", lambda *_: {"trials": [failed, away]})
    book.save_app("other", {})
    said = run("test", "--all").output
    assert "✘ newly failing" in said and "a [b]: status 500" in said
    assert "other: host x: no route" in said
    assert run("test", "--all", "--app", "shop").exit_code == 2


def test_a_terminal_gets_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """Names are text, not markup."""
    from autoloop.core.regression import Row, Trial
    from autoloop.doors import trials

    row = Row(name="[red]x", passed=True, ms=9, verdict="slower", good_ms=1, why="took 9 ms")
    trials.table(Trial(app="shop", at="", ending="slower", rows=(row,)))
    said = capsys.readouterr().out
    assert "[red]x" in said and "took 9 ms" in said and "1.0" in said


def test_doctor_names_cases_that_may_change_something() -> None:
    """As long as nobody has said that they may be repeated."""
    from autoloop.core.app import parse_app
    from autoloop.doors.doctor import repeated

    post = {"name": "p", "url": "http://x", "method": "POST"}
    cases = [{"name": "g", "url": "http://x"}, post, {**post, "name": "q", "safe": True}]
    cases.append({**post, "name": "r", "safe": False})
    document = {"name": "shop", "components": [{"name": "a", "unit": "a"}], "cases": cases}
    (said,) = repeated(parse_app(document, "x"))
    assert said.startswith("case p: POST is sent at every look")


def test_doctor_tells_what_came_of_every_case_that_may_be_sent() -> None:
    """And names those that are not sent."""
    from autoloop.core.app import parse_app
    from autoloop.core.case import CaseResult
    from autoloop.doors.doctor import told

    cases = [{"name": n, "url": "http://x"} for n in ("health", "list")]
    cases.append({"name": "order", "url": "http://x", "method": "POST", "safe": False})
    document = {"name": "shop", "components": [{"name": "a", "unit": "a"}], "cases": cases}
    results = (
        CaseResult(name="health", passed=True, status=200),
        CaseResult(name="list", passed=False, status=500, why="status 500, expected 200"),
    )
    assert told(parse_app(document, "x"), results) == [
        {"ok": True, "what": "case health: 200, as expected"},
        {"ok": False, "what": "case list: status 500, expected 200"},
        {"ok": True, "what": "case order: not sent, it is not safe or needs one that is not"},
    ]


def test_a_change_is_one_request(book: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings, procedures and code together; secrets come from the input."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(client, "change", lambda wanted: asked.append(wanted) or ENDED)
    words = ["--set", "A=1", "--set", "DB_PASSWORD=-", "--run", "accounts", "--deploy", "."]
    assert run("change", *words, "--plan", stdin="hunter2\n").exit_code == 0
    assert asked == [
        {
            "app": "shop", "settings": {"A": "1", "DB_PASSWORD": "hunter2"}, "component": "",
            "procedures": ["accounts"], "source": str(Path.cwd()), "plan_only": True,
        }
    ]  # fmt: skip


def test_an_incident_is_listed_with_what_ended_it() -> None:
    """Not with what was noted afterwards."""
    steps = [("open", "told"), ("closed", "x is proved"), ("closed", "looked back: y")]
    rows = [{"state": state, "reason": reason} for state, reason in steps]
    record = {"id": "i-1", "app": "shop", "state": "closed", "diagnosis": None, "timeline": rows}
    assert cli._told(record) == "i-1  shop  closed  ?  x is proved"
