"""Diagnosis: the deepest confirmed cause first, evidence of the host over words."""

from typing import Any

import pytest

from autoloop.core.case import CaseResult
from autoloop.core.diagnose import diagnose
from autoloop.core.diagnosis import BENIGN, UNKNOWN
from autoloop.core.facts import SettingsDrift

PASS, FAIL = (
    CaseResult(name="health", passed=True),
    CaseResult(name="health", passed=False, why="502"),
)
GONE = SettingsDrift(missing=("PORT",))
DOWN = {"activity": "failed", "pid": 0}


def names(scenes: Any, case: CaseResult, **facts: Any) -> list[tuple[str, str]]:
    """Causes with their components."""
    found = diagnose(scenes.spec, scenes.facts(**facts), (case,))
    return [(cause.name, cause.component) for cause in found.causes]


def test_nothing_wrong_is_no_error(scenes: Any) -> None:
    """Whatever anybody wrote."""
    assert names(scenes, PASS) == [(BENIGN, "")]


def test_trouble_without_a_name_is_unknown(scenes: Any) -> None:
    """With the case as evidence, and sure of nothing."""
    found = diagnose(scenes.spec, scenes.facts(status=500), (FAIL,))
    assert (found.top.name, found.top.confidence) == (UNKNOWN, 0)
    assert [e.excerpt for e in found.top.evidence] == ["502"]


def test_a_missing_setting_goes_before_the_stopped_service(scenes: Any) -> None:
    """The cause before what it causes."""
    drift = (scenes.drift("/etc/shop.env", GONE),)
    found = names(scenes, FAIL, app=DOWN, drift=drift, holders=(scenes.holder(80, 80),), status=502)
    assert found[:2] == [("CONFIG.env_missing", "app"), ("SERVICE.service_down", "app")]


def test_what_is_needed_goes_before_who_needs_it(scenes: Any) -> None:
    """The app before its front."""
    found = names(scenes, FAIL, app=DOWN, front=DOWN, holders=(), status=0)
    assert [part for _, part in found] == ["app", "front"]


def test_impact_and_severity_tell_who_notices(scenes: Any) -> None:
    """Components and cases; a stopped service is the worst."""
    found = diagnose(scenes.spec, scenes.facts(app=DOWN, holders=(), status=502), (FAIL,), "now")
    assert found.impact.components == ("front", "app")
    assert found.impact.cases_failing == ("health",)
    assert found.severity == "P0"
    assert all(e.at == "now" for cause in found.causes for e in cause.evidence)


@pytest.mark.parametrize("status", [0, 500, 502])
def test_a_diagnosis_is_a_function_of_its_facts(scenes: Any, status: int) -> None:
    """Made again, it is the same; and it survives JSON."""
    facts = scenes.facts(app=DOWN, status=status)
    one, other = (diagnose(scenes.spec, facts, (FAIL,), "t") for _ in range(2))
    assert one == other == type(one).model_validate_json(one.model_dump_json())
