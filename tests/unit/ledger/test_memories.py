"""What was seen and what came of it, remembered with its incident."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop.core.diagnosis import Cause, Diagnosis
from autoloop.core.experience import Outcome
from autoloop.core.incident import State, request_of
from autoloop.core.sight import sight_of
from autoloop.ledger import memories as module
from autoloop.ledger.memories import Memories
from autoloop.ledger.store import Ledger

FOUND = Diagnosis(causes=(Cause(name="SERVICE.disk_full", confidence=0.9, probe="disk_full"),))


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Ledger]:
    """Empty."""
    made = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield made
    made.engine.dispose()


def incident(book: Ledger, text: str, app: str = "shop") -> str:
    """One that was diagnosed."""
    number = book.open_incident(request_of(app, text))[0].id
    book.move(number, State.DIAGNOSING, "x")
    book.move(number, State.ASKED, "x", diagnosis=FOUND.model_dump(mode="json"))
    return number


def test_the_newest_sights_are_kept(
    book: Ledger, scenes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each application; a second one of an incident replaces the first."""
    monkeypatch.setattr(module, "SIGHTS", 2)
    kept, seen = Memories(book), sight_of(scenes.spec, scenes.facts(), (), "t")
    numbers = [incident(book, text) for text in ("a", "b", "c")]
    other = incident(book, "d", "other")
    for number in (*numbers, numbers[2]):
        kept.keep_sight(number, "shop", seen)
    kept.keep_sight(other, "other", seen.model_copy(update={"at": "later"}))
    assert [kept.sight(number) for number in numbers] == [None, seen, seen]
    assert getattr(kept.sight(other), "at", "") == "later"


def test_an_attempt_teaches_once(book: Ledger) -> None:
    """Only of its own application."""
    number, kept = incident(book, "a"), Memories(book)
    outcome = Outcome(incident=number, cause="SERVICE.disk_full", probe="disk_full", cured=True)
    for _ in range(2):
        kept.learn("shop", 1, outcome)
    kept.learn("shop", 2, outcome.model_copy(update={"cured": False}))
    assert sorted(one.cured for one in kept.outcomes("shop")) == [False, True]
    assert kept.outcomes("other") == ()


def test_the_past_is_what_was_diagnosed(book: Ledger) -> None:
    """Oldest first, of one application or all, since a time."""
    first, second = incident(book, "a"), incident(book, "b", "other")
    book.open_incident(request_of("shop", "not diagnosed"))
    kept = Memories(book)
    assert [one.incident.id for one in kept.past()] == [first, second]
    assert [one.incident.id for one in kept.past("other")] == [second]
    assert kept.past(since="2999") == ()
    assert kept.past()[0].diagnosis == FOUND
