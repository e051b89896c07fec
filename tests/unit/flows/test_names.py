"""Names of runs, as people read them in Prefect's UI."""

from typing import Any

import pytest
from prefect import runtime

from autoloop.core.work import Work
from flows import health, loop, regression


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"work": Work(id="i-1", app="shop")}, "service shop i-1"),
        ({"work": {"id": "i-1", "app": "shop", "attempt": 1}}, "service shop i-1"),
        ({"work": {}}, "service"),
        ({}, "service"),
    ],
)
def test_a_class_run_is_named_after_its_work(
    monkeypatch: pytest.MonkeyPatch, parameters: dict[str, Any], name: str
) -> None:
    """Also when it was started from the UI, with a plain dict or with nothing."""
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
