"""What came of repairs decides near-ties, and nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoloop.core.case import CaseResult
from autoloop.core.diagnose import CLOSE, diagnose
from autoloop.core.diagnosis import Cause, Diagnosis
from autoloop.core.experience import Outcome, experienced, leaning, outcome_of
from autoloop.core.facts import SettingsDrift
from autoloop.core.plan import Plan
from autoloop.core.proof import Check, Proof
from autoloop.core.remedy import Proposal
from autoloop.core.words import Words

FAIL = CaseResult(name="health", passed=False, status=500, why="status 500, expected 200")
CHANGED = SettingsDrift(changed={"LIMIT": ("5", "7")})
SETTING, CODE = "CONFIG.invalid_config_file", "CODE.runtime_error"


def outcomes(cause: str, probe: str, proved: int, put_back: int = 0) -> tuple[Outcome, ...]:
    """So many repairs of that cause."""
    cured = [True] * proved + [False] * put_back
    return tuple(Outcome(incident="i", cause=cause, probe=probe, cured=one) for one in cured)


def both_changed(scenes: Any) -> Diagnosis:
    """Code and a setting differ, nothing says which it is: the setting is a little surer."""
    code = scenes.drift("/srv/shop/app/views.py")
    drift = (code, scenes.drift("/etc/shop.env", CHANGED))
    facts = scenes.facts(status=500, failing=(FAIL,), drift=drift)
    return diagnose(scenes.spec, facts, (FAIL,))


def names(diagnosis: Diagnosis) -> list[str]:
    """In order."""
    return [cause.name for cause in diagnosis.causes]


def test_a_near_tie_goes_to_what_was_proved_before(scenes: Any) -> None:
    """Where settings were put back in vain and code was not; and it says so."""
    found = both_changed(scenes)
    assert names(found)[:2] == [SETTING, CODE]
    past = (*outcomes(CODE, "code_changed", 4), *outcomes(SETTING, "setting_wrong", 0, 2))
    learnt = experienced(found, past)
    assert names(learnt)[:2] == [CODE, SETTING]
    assert learnt.top.confidence == found.causes[1].confidence
    assert learnt.top.evidence[-1].excerpt == "repairs of this cause here: 4 proved, 0 put back"


@pytest.mark.parametrize(
    "past",
    [
        (),
        outcomes(CODE, "code_changed", 2),
        outcomes(CODE, "code_raises", 100),
        outcomes(CODE, "code_changed", 100, 100),
        outcomes(SETTING, "setting_wrong", 1, 1) + outcomes(CODE, "code_changed", 1, 3),
        outcomes(CODE, "code_changed", 50) + outcomes(SETTING, "setting_wrong", 50),
    ],
)
def test_too_little_or_divided_experience_changes_nothing(
    scenes: Any, past: tuple[Outcome, ...]
) -> None:
    """Nor does what another probe found; nor what was put back as often as it was proved."""
    assert experienced(both_changed(scenes), past) == both_changed(scenes)


def test_a_clear_case_is_not_disturbed(scenes: Any) -> None:
    """A setting that is gone, and that the log names, against any number of proved repairs."""
    code = scenes.drift("/srv/shop/app/views.py")
    gone = scenes.drift("/etc/shop.env", SettingsDrift(missing=("PORT",)))
    app = {"activity": "failed", "pid": 0, "log": "KeyError: 'PORT'"}
    facts = scenes.facts(app=app, holders=(), status=502, failing=(FAIL,), drift=(code, gone))
    found = diagnose(scenes.spec, facts, (FAIL,))
    past = (
        *outcomes("CODE.runtime_error", "code_changed", 1000),
        *outcomes("SERVICE.service_down", "not_running", 1000),
        *outcomes("CONFIG.env_missing", "setting_missing", 0, 1000),
    )
    assert found.top.name == "CONFIG.env_missing"
    assert experienced(found, past) == found


def test_a_restart_that_helped_explains_nothing() -> None:
    """So "it does not run" is lifted over nothing, however near."""
    one = Cause(name="CONFIG.wrong_port", component="app", confidence=0.6, probe="a", depth=19)
    down = one.model_copy(update={"name": "SERVICE.service_down", "probe": "not_running"})
    found = Diagnosis(causes=(one, down))
    assert experienced(found, outcomes("SERVICE.service_down", "not_running", 100)) == found


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_experience_never_outweighs_what_is_clearly_surer(a: int, b: int, c: int, d: int) -> None:
    """Whatever is known of both."""
    assert abs(leaning(a, b) - leaning(c, d)) < CLOSE
    assert leaning(a, b) == pytest.approx(-leaning(b, a))


@given(
    st.lists(
        st.builds(
            Cause,
            name=st.sampled_from([SETTING, CODE, "CONFIG.env_missing", "SERVICE.service_down"]),
            component=st.sampled_from(["app", "front"]),
            confidence=st.floats(0, 1),
            probe=st.sampled_from(["", "p", "q"]),
            depth=st.integers(0, 34),
        ),
        min_size=1,
        max_size=6,
    ),
    st.lists(
        st.builds(
            Outcome,
            incident=st.just("i"),
            cause=st.sampled_from([SETTING, CODE, "SERVICE.service_down"]),
            probe=st.sampled_from(["", "p", "q"]),
            cured=st.booleans(),
        ),
        max_size=60,
    ),
)
def test_nothing_is_lost_and_nothing_clear_is_overtaken(
    causes: list[Cause], past: list[Outcome]
) -> None:
    """Every cause stays once; none goes before one of another component, or that is much surer."""
    given_order = [c.model_copy(update={"culprit": str(n)}) for n, c in enumerate(causes)]
    learnt = experienced(Diagnosis(causes=tuple(given_order)), past).causes
    places = [int(cause.culprit) for cause in learnt]
    assert sorted(places) == list(range(len(causes)))
    for after, place in enumerate(places):
        for earlier in places[:after]:
            if earlier > place:  # it has overtaken this one
                one, other = causes[earlier], causes[place]
                assert one.component == other.component
                assert one.confidence > other.confidence - CLOSE
                assert abs(one.depth - other.depth) <= 3
                assert one.name != "SERVICE.service_down"


def plan_for(cause: str) -> Plan:
    """One proposal."""
    words = Words(en="w", zh="w")
    one = Proposal(remedy="r", why=words, actions=(), effects=(), risk="low", cause=cause)
    return Plan(incident="i", proposals=(one,))


@pytest.mark.parametrize(
    ("cause", "checks", "cured"),
    [
        (CODE, [Check(name="case a", passed=True)], True),
        (CODE, [Check(name="case a", passed=False)], False),
        (CODE, [Check(name="apply", passed=False)], None),
        ("", [Check(name="case a", passed=True)], None),
        ("DATABASE.connection_error", [Check(name="case a", passed=True)], None),
    ],
)
def test_what_a_repair_tells(cause: str, checks: list[Check], cured: bool | None) -> None:
    """Proved confirms, put back refutes; what could not be carried out tells nothing."""
    diagnosis = Diagnosis(causes=(Cause(name=CODE, confidence=0.9, probe="code_changed"),))
    found = outcome_of("i", diagnosis, plan_for(cause), 1, Proof(checks=tuple(checks)))
    assert (found and found.cured) is cured
    assert found is None or (found.incident, found.probe) == ("i", "code_changed")
