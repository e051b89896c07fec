"""What is kept of a look: enough to diagnose again, nothing secret, and not without bound."""

from typing import Any

import pytest

from autoloop.core.app import AppSpec
from autoloop.core.case import CaseResult
from autoloop.core.diagnose import diagnose, informed, told_by
from autoloop.core.diagnosis import UNKNOWN, Cause, Diagnosis
from autoloop.core.experience import Outcome
from autoloop.core.facts import SettingsDrift
from autoloop.core.hindsight import hindsight
from autoloop.core.incident import Incident
from autoloop.core.sight import LARGEST, MOST_FILES, Sight, judged, sight_of

FAIL = CaseResult(name="health", passed=False, status=502, why="status 502, expected 200")
DOWN = {"activity": "failed", "pid": 0}
SECRETS = {
    "host": {"address": "10.0.0.9", "identity_file": "/root/key-of-shop"},
    "cases": [
        {
            "name": "health",
            "url": "http://127.0.0.1/health?key=hunter2",
            "headers": {"Authorization": "hunter2"},
            "body": {"password": "hunter2"},
        }
    ],
    "procedures": [
        {
            "name": "migrations",
            "cures": "DATABASE.schema_mismatch",
            "component": "app",
            "check": ["shop", "--password", "hunter2", "check"],
            "apply": ["shop", "hunter2"],
        }
    ],
}


def incident(**more: Any) -> Incident:
    """Of the shop."""
    return Incident.model_validate({"id": "i-1", "app": "shop", **more})


@pytest.mark.parametrize("text", ["", "KeyError: 'PORT'", "no such table: users"])
def test_a_diagnosis_is_made_again_from_what_is_kept(scenes: Any, text: str) -> None:
    """The same, over JSON, with the words of the incident."""
    drift = (scenes.drift("/etc/shop.env", SettingsDrift(missing=("PORT",))),)
    due = {"migrations": "0003"}
    facts = scenes.facts(app=DOWN, holders=(), drift=drift, status=502, failing=(FAIL,), due=due)
    then = informed(diagnose(scenes.spec, facts, (FAIL,), "t"), told_by(incident(text=text)))
    kept = Sight.model_validate(sight_of(scenes.spec, facts, (FAIL,), "t").kept())
    assert judged(incident(text=text), kept, ()) == then


def test_what_the_application_keeps_secret_is_not_kept(scenes: Any) -> None:
    """No request, no way to the host, no word of a command that hides something."""
    document = {**scenes.spec.model_dump(mode="json"), **SECRETS}
    spec = AppSpec.model_validate(document)
    kept = str(sight_of(spec, scenes.facts(due={"migrations": "x"}), (), "t").kept())
    assert "hunter2" not in kept
    assert "10.0.0.9" not in kept
    assert "key-of-shop" not in kept


def test_what_is_kept_has_a_bound(scenes: Any) -> None:
    """Of many changed files some, configuration first; what is too large is not kept at all."""
    code = [scenes.drift(f"/srv/shop/app/{n}.py") for n in range(5000)]
    facts = scenes.facts(drift=(*code, scenes.drift("/etc/shop.env")))
    sight = sight_of(scenes.spec, facts, (), "t")
    assert len(sight.facts.drift) == MOST_FILES
    assert sight.facts.drift[0].path == "/etc/shop.env"
    assert sight.kept() is not None
    huge = scenes.facts(app={"log": "x" * LARGEST})
    assert sight_of(scenes.spec, huge, (), "t").kept() is None


def of(name: str, culprit: str = "") -> Diagnosis:
    """With one cause."""
    return Diagnosis(causes=(Cause(name=name, culprit=culprit, confidence=0.8),))


def came(cause: str, cured: bool) -> Outcome:
    """What came of its repair."""
    return Outcome(incident="i", cause=cause, probe="p", cured=cured)


@pytest.mark.parametrize(
    ("was", "now", "own", "verdict", "why"),
    [
        (of("A.a"), of("A.a"), (), "same", ""),
        (of("A.a"), of("A.b"), (), "other", "A.a is confirmed no more"),
        (of("A.a"), of("A.b"), (came("A.a", True),), "worse", "A.a is confirmed no more"),
        (of("A.a"), of("A.b"), (came("A.a", False),), "better", "A.a is confirmed no more"),
        (of(UNKNOWN), of("A.b"), (came("A.b", True),), "better", "nothing was found then"),
        (of("A.a", "x"), of("A.a", "y"), (came("A.a", True),), "other", "blames something else"),
        (of("A.a"), of(UNKNOWN), (), "other", "no rule confirms a cause now"),
    ],
)
def test_hindsight(
    was: Diagnosis, now: Diagnosis, own: tuple[Outcome, ...], verdict: str, why: str
) -> None:
    """A change is good or bad by what came of the repairs."""
    found = hindsight("i", "shop", "2026", was, now, own)
    assert found.verdict == verdict
    assert why in found.why
