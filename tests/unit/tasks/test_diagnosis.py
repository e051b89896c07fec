"""The step that diagnoses: what was said of a trouble ranks what is found, unless we said it."""

from types import SimpleNamespace
from typing import Any

import pytest

from autoloop.core.diagnosis import UNKNOWN, Cause, Diagnosis
from autoloop.core.incident import Incident
from autoloop.core.work import Work
from tasks import diagnosis as step


class Forgetful:
    """Memories that know of no repair, and keep what was seen last."""

    sight: Any = None

    def keep_sight(self, incident: str, app: str, sight: Any) -> None:
        """Keep it."""
        assert (incident, app) == ("i", "shop")
        self.sight = sight

    def outcomes(self, app: str) -> tuple[()]:
        """None."""
        assert app == "shop"
        return ()


def what_was_seen(scenes: Any) -> dict[str, Any]:
    """The rest of a look."""
    return {"facts": scenes.facts(), "cases": (), "at": "t"}


UNNAMED = Diagnosis(causes=(Cause(name=UNKNOWN, confidence=0.0),))


@pytest.mark.parametrize(
    ("source", "name"),
    [("cli", "SERVICE.dns_failure"), ("health", UNKNOWN)],
)
def test_the_words_of_an_incident(
    monkeypatch: pytest.MonkeyPatch, scenes: Any, source: str, name: str
) -> None:
    """A person's are hypotheses; the platform's own are no evidence."""
    shop, seen, memory = scenes.spec, what_was_seen(scenes), Forgetful()
    notes: list[str] = []
    said = {"source": source, "text": "getaddrinfo ENOTFOUND db.shop.example"}
    incident = Incident.model_validate({"id": "i", "app": "shop", **said})
    book: Any = SimpleNamespace(
        incident=lambda _: incident, note=lambda _, what: notes.append(what)
    )
    monkeypatch.setattr(step, "ledger", lambda: book)
    monkeypatch.setattr(step, "spec_of", lambda _: shop)
    monkeypatch.setattr(step, "Memories", lambda _: memory)
    monkeypatch.setattr(step, "session_of", lambda _: None)
    look = SimpleNamespace(well=False, diagnosis=UNNAMED, **seen)
    monkeypatch.setattr(step, "look_often", lambda *_: look)
    monkeypatch.setattr(step, "look_at", lambda *_: look)
    found = step.diagnose_target.fn(Work(id="i", app="shop"))
    assert found.top.name == name
    assert notes == [f"diagnosis: {found.top.name} {found.top.culprit}"]
    assert memory.sight.facts == scenes.facts()


@pytest.mark.parametrize(
    ("source", "text", "well", "often"),
    [
        ("health", "health check: SERVICE.timeout app.service: waits", False, False),
        ("health", "health check: SERVICE.service_down app.service: ", False, True),
        ("health", "health check: SERVICE.timeout app.service: waits", True, True),
        ("cli", "health check: SERVICE.timeout app.service: waits", False, True),
    ],
)
def test_what_health_has_just_confirmed_is_not_confirmed_again(
    monkeypatch: pytest.MonkeyPatch, scenes: Any, source: str, text: str, well: bool, often: bool
) -> None:
    """One look is enough where it agrees with it; anything else is looked at often."""
    shop, seen, memory = scenes.spec, what_was_seen(scenes), Forgetful()
    hangs = Diagnosis(causes=(Cause(name="SERVICE.timeout", confidence=0.9),))
    asked: list[str] = []
    incident = Incident.model_validate({"id": "i", "app": "shop", "source": source, "text": text})

    def look(kind: str) -> Any:
        asked.append(kind)
        return SimpleNamespace(well=well, diagnosis=hangs, **seen)

    monkeypatch.setattr(
        step, "ledger", lambda: SimpleNamespace(incident=lambda _: incident, note=lambda *_: None)
    )
    monkeypatch.setattr(step, "spec_of", lambda _: shop)
    monkeypatch.setattr(step, "Memories", lambda _: memory)
    monkeypatch.setattr(step, "session_of", lambda _: None)
    monkeypatch.setattr(step, "look_often", lambda *_: look("often"))
    monkeypatch.setattr(step, "look_at", lambda *_: look("once"))
    assert step.diagnose_target.fn(Work(id="i", app="shop")).top.name == "SERVICE.timeout"
    assert asked[-1] == ("often" if often else "once")
