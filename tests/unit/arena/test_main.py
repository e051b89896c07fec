"""The arena by hand: what it prints."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoloop.arena import __main__ as arena
from autoloop.arena.fault import load

Printed = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _handler() -> Iterator[None]:
    """It sets what SIGTERM does; afterwards that is as before."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_the_list_of_faults_is_for_people_or_programs(capsys: Printed) -> None:
    """A line each, or one JSON document."""
    names = [fault.name for fault in load()]
    assert arena.main(["list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == names
    assert arena.main(["list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == names
    assert set(rows[0]) == {"name", "class", "auto"}


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_a_result_goes_to_standard_output(
    capsys: Printed, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    """Unless a file is named."""
    summary = {"summary": {"ok": 1, "faults": 1}}
    monkeypatch.setattr(arena, "check", lambda *_: None)
    monkeypatch.setattr(arena, "as_json", lambda _: summary)
    assert arena.main(["check", *words]) == 0
    assert json.loads(capsys.readouterr().out) == summary


def test_a_result_goes_to_the_file_that_is_named(
    capsys: Printed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And nowhere else."""
    summary = {"summary": {"ok": 0, "faults": 1}}
    monkeypatch.setattr(arena, "check", lambda *_: None)
    monkeypatch.setattr(arena, "as_json", lambda _: summary)
    assert arena.main(["check", "--json", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().out == ""
    assert json.loads((tmp_path / "out").read_text()) == summary


def test_a_fault_after_json_is_no_file(capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    """`drill check --json unit-stopped` checks that fault and prints the result."""
    checked: list[str] = []
    monkeypatch.setattr(arena, "check", lambda faults, *_: checked.extend(f.name for f in faults))
    monkeypatch.setattr(arena, "as_json", lambda _: {"summary": {"ok": 1, "faults": 1}})
    assert arena.main(["check", "blip", "--json", "unit-stopped"]) == 0
    assert checked == ["blip", "unit-stopped"]
    assert json.loads(capsys.readouterr().out)["summary"]["ok"] == 1
