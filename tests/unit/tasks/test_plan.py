"""The step that plans: whom it asks, and when it has asked enough."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from autoloop.core.app import AppSpec, Risk
from autoloop.core.diagnosis import Cause, Diagnosis
from autoloop.core.plan import Plan
from autoloop.core.remedy import PlannedAction, Proposal, Refusal
from autoloop.core.target import RunCommand
from autoloop.core.taxonomy import Severity
from autoloop.core.words import Words
from autoloop.core.work import Work
from tasks import plan as step

WHY = Words(en="x", zh="x")
CAUSES = tuple(
    Cause(name=name, component="app", confidence=0.9)
    for name in ("CONFIG.env_missing", "CODE.import_error", "SERVICE.service_down")
)
Offer = Proposal | Refusal
Planner = Callable[[Severity, dict[str, Offer]], list[str]]


def offer(remedy: str, risk: Risk = "low", command: str = "") -> Proposal:
    """A remedy that would run a command of its own."""
    action = PlannedAction(action=RunCommand(argv=(command or remedy,)))
    return Proposal(remedy=remedy, why=WHY, actions=(action,), effects=(), risk=risk)


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch, spec: AppSpec) -> Planner:
    """The remedies of the plan when each cause has one that makes this offer."""
    book: Any = SimpleNamespace(repeats=lambda *_: 0)
    monkeypatch.setattr(step, "ledger", lambda: book)
    monkeypatch.setattr(step, "spec_of", lambda _: spec)
    monkeypatch.setattr(step, "session_of", lambda _: None)
    monkeypatch.setattr(step, "Context", lambda **_: None)
    monkeypatch.setattr(step, "last_look", lambda *_: SimpleNamespace(facts=None))

    def plan(severity: Severity, offers: dict[str, Offer]) -> list[str]:
        def asked(cause: str) -> list[Any]:
            made = offers.get(cause)
            return [SimpleNamespace(propose=lambda *_: made)] if made else []

        monkeypatch.setattr(step, "for_cause", asked)
        diagnosis = Diagnosis(causes=CAUSES, severity=severity)
        made = step._planned(Work(id="i", app="shop"), diagnosis)
        return [proposal.remedy for proposal in made.proposals]

    return plan


SETTING, CODE, DOWN = (cause.name for cause in CAUSES)


@pytest.mark.parametrize(
    ("severity", "offers", "remedies"),
    [
        ("P1", {SETTING: offer("put back"), DOWN: offer("start")}, ["put back"]),
        ("P0", {SETTING: offer("put back"), DOWN: offer("start")}, ["put back", "start"]),
        ("P0", {DOWN: offer("start")}, ["start"]),
        ("P0", {SETTING: Refusal(remedy="a", why=WHY), DOWN: offer("start")}, ["start"]),
        ("P0", {CODE: Refusal(remedy="a", why=WHY, person=True), DOWN: offer("start")}, []),
        ("P0", {SETTING: offer("put back", "high"), DOWN: offer("start")}, ["put back"]),
        (
            "P0",
            {CODE: offer("restart", command="r"), DOWN: offer("again", command="r")},
            ["restart"],
        ),
    ],
)
def test_in_an_emergency_the_remedies_of_all_causes_are_the_plan(
    planned: Planner, severity: Severity, offers: dict[str, Offer], remedies: list[str]
) -> None:
    """The deepest first, each once; not past what a person must decide."""
    assert planned(severity, offers) == remedies


@pytest.mark.parametrize(
    ("decision", "here", "kept", "words"),
    [
        (None, (True, ""), True, "is approved by bob"),
        (None, (True, "go"), True, "is approved by bob: go"),
        (None, (False, "at night"), False, "rejected by bob: at night"),
        ({"approved": False, "actor": "ann", "reason": ""}, (True, ""), False, "rejected by ann"),
        ({"approved": True, "actor": "ann", "reason": ""}, (False, ""), True, "approved by ann"),
    ],
)
def test_a_decision_is_taken_from_the_ledger_or_from_the_form(
    monkeypatch: pytest.MonkeyPatch, decision: Any, here: tuple[bool, str], kept: bool, words: str
) -> None:
    """What was decided at another door counts more than how the run was resumed."""
    told: list[str] = []
    book: Any = SimpleNamespace(
        record=lambda _: {"decision": decision},
        note=lambda _, reason: told.append(reason),
        move=lambda _, __, reason: told.append(reason),
    )
    plan = Plan(incident="i", proposals=(offer("start", "high"),), approval=WHY)
    monkeypatch.setattr(step, "ledger", lambda: book)
    monkeypatch.setattr(step, "_planned", lambda *_: plan)
    diagnosis = Diagnosis(causes=CAUSES)
    said = {"approved": here[0], "actor": "bob", "reason": here[1]}
    taken = step.take_decision.fn(Work(id="i", app="shop"), diagnosis, plan, said)
    assert (not taken.empty, len(told)) == (kept, 1)
    assert words in told[0]
