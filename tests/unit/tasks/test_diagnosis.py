"""The step that diagnoses: what was said of a trouble ranks what is found, unless we said it."""

from types import SimpleNamespace
from typing import Any

import pytest

from autoloop.core.diagnosis import UNKNOWN, Cause, Diagnosis
from autoloop.core.work import Work
from tasks import diagnosis as step

UNNAMED = Diagnosis(causes=(Cause(name=UNKNOWN, confidence=0.0),))


@pytest.mark.parametrize(
    ("source", "name"),
    [("cli", "SERVICE.dns_failure"), ("health", UNKNOWN)],
)
def test_the_words_of_an_incident(monkeypatch: pytest.MonkeyPatch, source: str, name: str) -> None:
    """A person's are hypotheses; the platform's own are no evidence."""
    notes: list[str] = []
    incident = SimpleNamespace(
        source=source, fields={}, text="getaddrinfo ENOTFOUND db.shop.example"
    )
    book: Any = SimpleNamespace(
        incident=lambda _: incident, note=lambda _, what: notes.append(what)
    )
    spec = SimpleNamespace(health=SimpleNamespace(confirm=1, confirm_gap_s=0))
    monkeypatch.setattr(step, "ledger", lambda: book)
    monkeypatch.setattr(step, "spec_of", lambda _: spec)
    monkeypatch.setattr(step, "session_of", lambda _: None)
    monkeypatch.setattr(
        step, "look_often", lambda *_: SimpleNamespace(well=False, diagnosis=UNNAMED)
    )
    found = step.diagnose_target.fn(Work(id="i", app="shop"))
    assert found.top.name == name
    assert notes == [f"diagnosis: {found.top.name} {found.top.culprit}"]
