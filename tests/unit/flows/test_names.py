"""Names of runs, as people read them in Prefect's UI."""

from typing import Any

import pytest
from prefect import runtime

from autoloop.core.diagnosis import unknown
from autoloop.core.plan import Plan
from autoloop.core.work import Work
from flows import health, loop, regression
from flows.forms import Found

FOUND = Found(
    work=Work(id="i-1", app="shop"), diagnosis=unknown("x", "y"), plan=Plan(incident="i-1")
)


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"app": "shop", "found": FOUND}, "service shop i-1"),
        ({"app": "shop", "found": FOUND.model_dump(mode="json")}, "service shop i-1"),
        ({"app": "shop"}, "service shop"),
        ({"app": "shop", "found": None}, "service shop"),
        ({}, "service"),
    ],
)
def test_a_class_run_is_named_after_its_work(
    monkeypatch: pytest.MonkeyPatch, parameters: dict[str, Any], name: str
) -> None:
    """Handed on by the front door, given back by the server, or started from its form."""
    monkeypatch.setattr(runtime.flow_run, "parameters", parameters, raising=False)
    monkeypatch.setattr(runtime.flow_run, "flow_name", "service", raising=False)
    assert loop.run_name() == name


@pytest.mark.parametrize(
    ("apps", "name"),
    [
        (None, "health all"),
        ([], "health all"),
        (["shop"], "health shop"),
        (["a", "b", "c"], "health a, b, c"),
        (["a", "b", "c", "d"], "health of 4 applications"),
    ],
)
def test_a_health_run_is_named_after_its_applications(
    monkeypatch: pytest.MonkeyPatch, apps: list[str] | None, name: str
) -> None:
    """Few by name, many by number."""
    monkeypatch.setattr(runtime.flow_run, "parameters", {"apps": apps}, raising=False)
    assert health.run_name() == name
    assert regression.run_name() == name.replace("health of", "test").replace("health", "test")
