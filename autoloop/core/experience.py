"""What came of repairs, and what that is worth: past outcomes decide between near-ties.

An outcome is counted by three words of the product's own: the application's name, the cause's, and
the probe's that found it; no word of a log or a setting is a key. The rule and its bounds are in
``docs/explanation/diagnosis.md``.
"""

from collections import Counter
from collections.abc import Iterable

from autoloop.core.diagnose import CLOSE, NO_REASON
from autoloop.core.diagnosis import Cause, Diagnosis, Evidence
from autoloop.core.plan import Plan
from autoloop.core.proof import Proof
from autoloop.core.words import Frozen

PRIOR = 2
"""Outcomes of each kind that are taken for granted before there is any: Beta(2, 2)."""

SAME_DEPTH = 3
"""Findings whose depths differ by no more are about as deep."""

LEAST = 0.03
"""What the leanings must differ by at least: three outcomes that agree, where none disagrees."""


class Outcome(Frozen):
    """One repair: the cause that it was for, the probe that had found it, and whether it cured."""

    incident: str
    cause: str
    probe: str
    cured: bool


def outcome_of(
    incident: str, diagnosis: Diagnosis, plan: Plan, attempt: int, proof: Proof
) -> Outcome | None:
    """What attempt *attempt* (from 1) of *plan* tells of its cause; nothing where it tells nothing:
    a plan that names no cause, or a repair that could not be carried out, which refutes none."""
    name = plan.proposals[attempt - 1].cause
    found = next((cause for cause in diagnosis.causes if cause.name == name), None)
    if found is None or any(check.name == "apply" and not check.passed for check in proof.checks):
        return None
    return Outcome(incident=incident, cause=name, probe=found.probe, cured=proof.holds)


def experienced(diagnosis: Diagnosis, outcomes: Iterable[Outcome]) -> Diagnosis:
    """*diagnosis*, with near-ties in the order that outcomes speak for.

    A cause goes before its neighbour when both are of one component, about as deep and about as
    sure, and the leaning of both turns their order around. Confidences stay as they are.
    """
    known = Counter((one.cause, one.probe, one.cured) for one in outcomes)
    causes: list[Cause] = []
    for cause in diagnosis.causes:
        place = len(causes)
        while place and _goes_before(cause, causes[place - 1], known):
            place -= 1
        lifted = place < len(causes)
        causes.insert(place, _with_history(cause, known) if lifted else cause)
    return diagnosis.model_copy(update={"causes": tuple(causes)})


Known = Counter[tuple[str, str, bool]]


def leaning(cured: int, not_cured: int) -> float:
    """How far outcomes move a cause: the mean of its Beta distribution, from a half, scaled so that
    it stays within half of `CLOSE` however many there are."""
    mean = (PRIOR + cured) / (2 * PRIOR + cured + not_cured)
    return (mean - 0.5) * CLOSE


def _leaning_of(cause: Cause, known: Known) -> float:
    return leaning(*_counts(cause, known))


def _counts(cause: Cause, known: Known) -> tuple[int, int]:
    return known[cause.name, cause.probe, True], known[cause.name, cause.probe, False]


def _goes_before(cause: Cause, before: Cause, known: Known) -> bool:
    alike = cause.component == before.component and abs(cause.depth - before.depth) <= SAME_DEPTH
    gap, own = before.confidence - cause.confidence, _leaning_of(cause, known)
    if not alike or not cause.probe or abs(gap) >= CLOSE or own < 0 or cause.name in NO_REASON:
        return False
    return own - _leaning_of(before, known) > max(gap, LEAST)


def _with_history(cause: Cause, known: Known) -> Cause:
    cured, not_cured = _counts(cause, known)
    said = f"repairs of this cause here: {cured} proved, {not_cured} put back"
    seen = Evidence(source="past repairs", excerpt=said)
    return cause.model_copy(update={"evidence": (*cause.evidence, seen)})
