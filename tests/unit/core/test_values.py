"""Effects, work, words, errors, plans, proofs: small values and what follows from them."""

import pickle
from typing import Any

import pytest

from autoloop.core import errors
from autoloop.core.app import AppSpec
from autoloop.core.case import CaseResult
from autoloop.core.diagnosis import BENIGN, Cause, Diagnosis
from autoloop.core.effect import Effect, undeclared
from autoloop.core.errors import AutoloopError
from autoloop.core.impact import Impact
from autoloop.core.plan import make_plan, same_work, without_approval
from autoloop.core.proof import Check, Proof, proof_of
from autoloop.core.remedy import PlannedAction, Proposal, Refusal
from autoloop.core.target import Answer, RunCommand
from autoloop.core.words import Words
from autoloop.core.work import Work


def proposal(risk: Any = "low", **more: Any) -> Proposal:
    """One that runs `true`."""
    action = PlannedAction(action=RunCommand(argv=("true",)))
    effect = Effect(kind="unit", subject="u", before="failed", after="running")
    known = {"remedy": "r", "why": Words(en="w", zh="因"), "actions": (action,)}
    return Proposal(**{**known, "effects": (effect,), "risk": risk, **more})


# ---- effects


@pytest.mark.parametrize(
    ("declared", "covered"),
    [
        ({"after": "running"}, True),
        ({"after": "stopped"}, False),
        ({"after": None, "detail": {"after": "any"}}, True),
        ({"kind": "file", "after": "running"}, False),
        ({"subject": "other", "after": "running"}, False),
    ],
)
def test_what_no_plan_said_is_found(declared: dict[str, Any], covered: bool) -> None:
    """By kind, subject and outcome."""
    seen = Effect(kind="unit", subject="u", before="failed", after="running")
    plan = Effect(**{"kind": "unit", "subject": "u", **declared})
    assert (undeclared([plan], [seen]) == ()) is covered
    assert undeclared([], [seen]) == (seen,)


def test_an_effect_reads_as_a_change() -> None:
    """What did not exist is a dash."""
    assert str(Effect(kind="file", subject="/a", after="x")) == "file /a: - → x"


# ---- work and words


def test_an_operation_id_is_the_same_whenever_the_step_runs_again() -> None:
    """And another for another attempt."""
    work = Work(id="i-1", app="shop")
    assert work.op("backup") == "i-1/1/backup" == Work(id="i-1", app="shop").op("backup")
    assert work.next(2).op("backup") == "i-1/2/backup"


def test_words_fall_back_to_english() -> None:
    """A missing translation is no empty report."""
    assert (Words(en="a").say("zh"), Words(en="a", zh="甲").say("zh")) == ("a", "甲")


# ---- errors

KINDS = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, AutoloopError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_has_code_place_value_and_next_step(kind: type[AutoloopError]) -> None:
    """In its text, as JSON, and after a journey between processes."""
    error = kind("place", "what 5", "do this")
    assert str(error) == "place: what 5 - do this"
    assert error.as_json()["next"] == "do this"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.as_json()) == (kind, error.as_json())


def test_codes_are_unique() -> None:
    """A code names one error."""
    codes = [kind.code for kind in KINDS]
    assert len(set(codes)) == len(codes)


# ---- plans


def test_offers_are_kept_in_order_and_risky_ones_are_rejected_with_a_reason(spec: AppSpec) -> None:
    """In both languages, for a person."""
    no = Refusal(remedy="n", why=Words(en="no", zh="否"))
    offers = (proposal("low"), no, proposal("high", remedy="big"), proposal("medium", remedy="m"))
    plan = make_plan(spec, "i-1", offers)
    assert [p.remedy for p in plan.proposals] == ["r", "m"]
    assert [r.remedy for r in plan.rejected] == ["n", "big"]
    assert plan.rejected[1].person and "高" not in plan.rejected[1].why.en
    assert plan.rejected[1].why.zh


def test_the_hash_changes_with_what_will_be_done(spec: AppSpec) -> None:
    """And with nothing else."""
    plans = [make_plan(spec, "i-1", [p]) for p in (proposal(), proposal(), proposal("medium"))]
    assert plans[0].hash == plans[1].hash != plans[2].hash
    assert make_plan(spec, "i-2", [proposal()]).hash != plans[0].hash


def limited(spec: AppSpec, **limits: str) -> AppSpec:
    """The application with other limits."""
    return spec.model_copy(update={"limits": spec.limits.model_copy(update=limits)})


def test_what_only_a_person_may_allow_waits_unless_there_is_something_freer(spec: AppSpec) -> None:
    """The free goes alone; above what a person may approve nothing is offered."""
    strict = limited(spec, risk="low", approve="medium")
    offers = [proposal("medium", remedy="m"), proposal("high", remedy="h")]
    plan = make_plan(strict, "i-1", offers)
    assert [p.remedy for p in plan.proposals] == ["m"]
    assert plan.approval is not None and plan.approval.zh
    assert [r.remedy for r in plan.rejected] == ["h"]
    freer = make_plan(strict, "i-1", [*offers, proposal("low")])
    assert [p.remedy for p in freer.proposals] == ["r"] and freer.approval is None
    assert [r.remedy for r in freer.rejected] == ["h", "m"]


def test_without_approval_nothing_is_done(spec: AppSpec) -> None:
    """And every remedy is told with its reason; a plan that needs none stays as it is."""
    plan = make_plan(limited(spec, risk="none"), "i-1", [proposal(), proposal(remedy="s")])
    refused = without_approval(plan)
    assert refused.empty and [r.remedy for r in refused.rejected] == ["r", "s"]
    free = make_plan(spec, "i-1", [proposal()])
    assert without_approval(free) == free


def test_the_same_work_may_have_other_words(spec: AppSpec) -> None:
    """But no other action."""
    one = make_plan(spec, "i-1", [proposal()])
    said = make_plan(spec, "i-1", [proposal(why=Words(en="other"))])
    other = PlannedAction(action=RunCommand(argv=("false",)))
    assert same_work(one, said) and one.hash != said.hash
    assert not same_work(one, make_plan(spec, "i-1", [proposal(actions=(other,))]))


def test_no_offers_make_an_empty_plan_without_backup(spec: AppSpec) -> None:
    """Nothing is touched."""
    plan = make_plan(spec, "i-1", [])
    assert plan.empty and not plan.backup


# ---- proofs

WELL = Diagnosis(causes=(Cause(name=BENIGN, confidence=1),))


def checked(spec: AppSpec, **more: Any) -> Proof:
    """The proof of a look at the host."""
    known: dict[str, Any] = {"proposal": proposal(files={"/f": "a" * 64}), "cause": None}
    known |= {"after": WELL, "cases": (CaseResult(name="c", passed=True),), "files": {}}
    return Proof(checks=proof_of(spec, **{**known, **more}))


def test_a_proof_holds_when_every_check_passed(spec: AppSpec) -> None:
    """Cases, files, components."""
    files = {"/f": Answer(ok=True, value={"sha256": "a" * 64})}
    assert checked(spec, files=files).holds
    assert checked(spec, files=files).complaint == ""


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"cases": (CaseResult(name="c", passed=False, why="status 502"),)}, "case c: status 502"),
        ({"files": {"/f": Answer(ok=True, value={"sha256": "b" * 64})}}, "content of /f: is bbb"),
        ({"files": {"/f": Answer(ok=False, error="ENOENT")}}, "content of /f: is ENOENT"),
        (
            {"after": WELL.model_copy(update={"impact": Impact(components=("app",))})},
            "app serves: does not run or answer",
        ),
        (
            {
                "cause": Cause(name="CONFIG.wrong_port", confidence=1),
                "after": Diagnosis(causes=(Cause(name="CONFIG.wrong_port", confidence=1),)),
            },
            "cause CONFIG.wrong_port is gone: still confirmed",
        ),
    ],
)
def test_one_failed_check_is_no_proof(spec: AppSpec, more: dict[str, Any], why: str) -> None:
    """And is told in words."""
    proof = checked(spec, **more)
    assert not proof.holds
    assert proof.complaint.startswith(why)


def test_no_checks_are_no_proof() -> None:
    """Silence proves nothing."""
    assert not Proof(checks=()).holds
    assert Proof(checks=(Check(name="a", passed=True),)).holds
