"""Secrets stay where they are used: not in blocks' words, reports, plans or files."""

import json
from pathlib import Path
from typing import Any

import pytest

from autoloop import settings as chosen
from autoloop.core.case import CaseResult
from autoloop.core.diagnose import diagnose
from autoloop.core.incident import Incident
from autoloop.core.plan import make_plan
from autoloop.core.report import Report
from blocks.app import App
from blocks.host import Host
from tasks.report import write_files


def test_a_block_does_not_say_its_secrets(spec: Any) -> None:
    """Neither its cases' passwords nor the host's keys, in words or as JSON."""
    case = spec.cases[0].model_copy(update={"headers": {"Authorization": "hunter2"}})
    app = App.of(spec.model_copy(update={"cases": (case,)}))
    host = Host(private_key="hunter2", password="hunter2")
    for block in (app, host):
        assert "hunter2" not in f"{block!r} {block} {block.model_dump()} {block.model_dump_json()}"
    assert app.spec.cases[0].headers == {"Authorization": "hunter2"}
    assert "hunter2" not in json.dumps(host.spec().model_dump())


def test_no_secret_is_in_a_written_report(
    scenes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the facts to the files, in both languages."""
    from autoloop.core.facts import facts_from, reads_for
    from autoloop.core.target import Answer

    leak = "DB_PASSWORD=hunter2 postgres://u:hunter2@h/d"
    ran = {
        "code": 1,
        "out": f"ActiveState=failed\n{leak}",
        "err": leak,
        "seconds": 0,
        "timed_out": False,
    }
    row = {"path": "/etc/shop.env", "good": {"kind": "file"}, "now": {"kind": "file"}}
    row |= {"good_text": "DB_PASSWORD=hunter2", "now_text": "DB_PASSWORD=hunter2x"}
    values: dict[str, Any] = {
        "facts": {"time": 1.0, "uptime": 1.0},
        "listeners": [],
        "disks": [],
        "memory": {"bytes": 5, "processes": 1, "biggest": 5, "command": "x"},
        "certificates": [],
        "drift": {"backup": "b", "changes": [row]},
        "http": {"status": 500, "body": leak, "ms": 1.0, "error": leak},
        "run": ran,
    }
    facts = facts_from(
        scenes.spec, tuple(Answer(ok=True, value=values[r.op]) for r in reads_for(scenes.spec))
    )
    found = diagnose(scenes.spec, facts, (CaseResult(name="c", passed=False, why="500"),))
    assert len(found.causes) == 2
    report = Report(
        incident=Incident(id="i-1", app="shop"),
        diagnosis=found,
        plan=make_plan(scenes.spec, "i-1", []),
    )
    monkeypatch.setenv("AUTOLOOP_HOME", str(tmp_path))
    chosen.settings.cache_clear()
    try:
        write_files(report)
    finally:
        chosen.settings.cache_clear()
    written = {path.name: path.read_text() for path in (tmp_path / "reports").iterdir()}
    assert set(written) == {"i-1.json", "i-1.md", "i-1.zh.md", "i-1.html", "i-1.zh.html"}
    assert [name for name, text in written.items() if "hunter2" in text] == []
