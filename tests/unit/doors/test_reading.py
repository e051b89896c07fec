"""``autoloop diagnose``: a text, a file of records, an application; at once and without Prefect."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from autoloop.core.diagnosis import Cause, Diagnosis
from autoloop.core.errors import BadRequest
from autoloop.doors import cli, client

REFUSED = "could not connect to server: Connection refused (10.0.0.5:5432)"


def run(*words: str, stdin: str = "") -> Any:
    """One call."""
    return CliRunner().invoke(cli.app, ["diagnose", *words], input=stdin)


def test_a_text_is_told_for_people() -> None:
    """Cause, culprit, confidence, and the words that show it."""
    done = run(REFUSED)
    assert done.exit_code == 0
    first, shown, *_ = done.output.splitlines()
    assert first.startswith("1. DATABASE.connection_error  10.0.0.5:5432  ")
    assert shown.strip() == f"text, line 1: {REFUSED}"


@pytest.mark.parametrize("words", [("-", "--json"), ("--json",)])
def test_a_text_is_read_from_standard_input(words: tuple[str, ...]) -> None:
    """With '-', or without any text."""
    done = run(*words, stdin=REFUSED)
    causes = json.loads(done.output)["causes"]
    assert causes[0]["name"] == "DATABASE.connection_error"


def test_no_error_is_an_answer_too() -> None:
    """With exit code 0, as every answer."""
    done = run("Build finished with 0 errors")
    assert done.exit_code == 0
    assert done.output.startswith("1. NONE.benign")


def test_records_are_answered_line_by_line(tmp_path: Path) -> None:
    """To a file, or to standard output."""
    records = tmp_path / "in.jsonl"
    records.write_text(f'{json.dumps({"id": 7, "text": REFUSED})}\n\n{{"id": "b", "text": ""}}\n')
    out = tmp_path / "out.jsonl"
    assert run("--jsonl", str(records), "--out", str(out)).output == ""
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(r["id"], r["class"], r["subtype"]) for r in rows] == [
        (7, "DATABASE", "connection_error"),
        ("b", "NONE", "benign"),
    ]
    assert rows[0]["culprit"] == "10.0.0.5:5432"
    assert {"confidence", "evidence"} <= rows[0].keys()
    assert run("--jsonl", str(records)).output == out.read_text()


def test_a_line_that_is_no_record_is_named(tmp_path: Path) -> None:
    """By its number."""
    records = tmp_path / "in.jsonl"
    records.write_text('{"id": 1, "text": "x"}\n{"id": 2}\n')
    done = run("--jsonl", str(records))
    assert isinstance(done.exception, BadRequest)
    assert "line 2" in str(done.exception)


def test_with_an_application_its_host_is_asked(book: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """And outranks the text."""
    shown = Diagnosis(causes=(Cause(name="SERVICE.port_blocked", component="app", confidence=0.9),))

    class Look:
        diagnosis = shown

    asked: list[str] = []
    monkeypatch.setattr(client, "look", lambda app: asked.append(app) or Look())
    done = run(REFUSED, "--app", "shop", "--json")
    assert asked == ["shop"]
    assert json.loads(done.output)["causes"][0]["name"] == "SERVICE.port_blocked"


def test_it_does_not_load_prefect() -> None:
    """Nor anything else that takes long."""
    code = (
        "import sys\nfrom autoloop.doors import cli\n"
        "sys.argv = ['autoloop', 'diagnose', 'connection refused']\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('prefect', 'sqlalchemy', 'fabric', 'httpx') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
