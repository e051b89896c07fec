"""Health checks: whom they look at, and what they tell the ledger."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autoloop.core.diagnosis import Cause, Diagnosis
from autoloop.core.incident import State
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


def seen(*names: str, well: bool = False) -> Any:
    """A look that found these causes."""
    causes = tuple(Cause(name=name, component="app", confidence=0.9) for name in names)
    return SimpleNamespace(
        well=well, diagnosis=Diagnosis(causes=causes), facts=SimpleNamespace(drift=())
    )


def test_what_a_person_is_asked_about_opens_nothing_new_and_other_trouble_does(
    book: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sleeps over an old certificate has the service started all the same."""
    told: list[str] = []
    monkeypatch.setattr(health, "tell_of_recovery", told.append)
    first = health.note_health(WORK, seen("SERVICE.tls_certificate", "SERVICE.timeout")).incident
    found = seen("SERVICE.tls_certificate", "SERVICE.timeout").diagnosis.model_dump(mode="json")
    book.move(first, State.DIAGNOSING, "x")
    book.move(first, State.ASKED, "x", diagnosis=found)
    for known in ("SERVICE.tls_certificate", "SERVICE.timeout"):
        assert health.note_health(WORK, seen(known)).incident == first
    other = health.note_health(WORK, seen("SERVICE.service_down")).incident
    assert other != first
    assert [waiting.id for waiting in book.waiting()] == [other]
    book.move(other, State.ASKED, "nothing was found")
    assert health.note_health(WORK, seen("SERVICE.service_down")).incident == other
    assert health.note_health(WORK, seen("NONE.benign", well=True)).well
    assert sorted(told) == sorted([first, other])
    assert book.asked("shop") == []
