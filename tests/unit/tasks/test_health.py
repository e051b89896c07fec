"""Health checks: whom they look at, and what they tell the ledger."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from autoloop.core.diagnosis import Cause, Diagnosis
from autoloop.core.taxonomy import Severity
from autoloop.core.work import Work
from autoloop.ledger.store import Ledger
from tasks import health

WORK = Work(id="h-1", app="shop")


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A ledger with the shop under care."""
    made = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    made.save_app("shop", {})
    monkeypatch.setattr(health, "ledger", lambda: made)
    return made


def test_an_application_that_was_let_go_is_skipped(book: Ledger) -> None:
    """A schedule may still name it; no incident is opened for it."""
    result = health.check(Work(id="h-1", app="gone"))
    assert (result.well, result.skipped) == (False, "is not under care")
    assert book.records() == []


@pytest.mark.parametrize("severity", ["P0", "P1"])
def test_the_incident_is_as_severe_as_what_was_seen(book: Ledger, severity: Severity) -> None:
    """So that what is down goes first, before anybody has diagnosed it again."""
    cause = Cause(name="SERVICE.service_down", component="app", confidence=0.9)
    look = SimpleNamespace(
        well=False, diagnosis=Diagnosis(causes=(cause,), severity=severity), facts=None
    )
    health.note_health(WORK, look)  # type: ignore[arg-type]
    [waiting] = book.waiting()
    assert waiting.severity == severity
