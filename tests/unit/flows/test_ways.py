"""Which flow goes on after a diagnosis, and where."""

from typing import Any

import pytest
from prefect import runtime

from autoloop.core.diagnosis import Cause, Diagnosis
from autoloop.core.plan import Plan
from autoloop.core.taxonomy import CLASSES
from autoloop.core.work import Work
from flows import loop
from flows.forms import Found


def found(name: str, severity: Any) -> Diagnosis:
    """A diagnosis with one cause."""
    return Diagnosis(causes=(Cause(name=name, confidence=0.9),), severity=severity)


@pytest.mark.parametrize(
    ("diagnosis", "flow"),
    [
        (found("CONFIG.env_missing", "P1"), "config"),
        (found("CONFIG.env_missing", "P0"), "emergency"),
        (found("SERVICE.service_down", "P0"), "emergency"),
        (found("SERVICE.timeout", "P1"), "service"),
        (found("NONE.benign", "P2"), None),
        (found("UNKNOWN.unknown", "P1"), None),
    ],
)
def test_what_is_down_is_an_emergency(diagnosis: Diagnosis, flow: str | None) -> None:
    """All else goes to its class, if it has one."""
    chosen = loop.flow_of(diagnosis)
    assert (chosen.name if chosen else None) == flow


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_has_a_flow(name: str) -> None:
    """Also one whose signatures are yet to come."""
    chosen = loop.flow_of(found(f"{name}.x", "P1"))
    assert chosen is not None and chosen.name == name.lower()


@pytest.mark.parametrize(("here", "nested"), [("config", False), ("remediate", True)])
def test_the_right_flow_goes_on_in_the_run_that_it_is(
    monkeypatch: pytest.MonkeyPatch, here: str, nested: bool
) -> None:
    """And is nested in the run of any other."""
    calls: list[str] = []

    class Chosen:
        name = "config"

        def __call__(self, app: str, found: Found) -> None:
            calls.append(f"nested {app}")

        def fn(self, app: str, found: Found) -> None:
            calls.append(f"here {app}")

    monkeypatch.setattr(runtime.flow_run, "flow_name", here, raising=False)
    monkeypatch.setattr(loop, "flow_of", lambda _: Chosen())
    loop.hand_over(
        Found(
            work=Work(id="i", app="shop"),
            diagnosis=found("CONFIG.env_missing", "P1"),
            plan=Plan(incident="i"),
        )
    )
    assert calls == ["nested shop" if nested else "here shop"]
