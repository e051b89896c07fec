"""What the application's own checks say."""

from autoloop.core.app import AppSpec, Component, Procedure
from autoloop.core.diagnosis import Cause, Diagnosis, Evidence
from autoloop.core.facts import Facts
from autoloop.core.probe import Finding

VAGUE = 10
"""Findings less deep than this go behind all others, of whatever component."""

BROKEN = 500
"""What answers with a smaller status works, whatever it thinks of the question."""

DEPTHS = {"CODE": 26, "DATABASE": 25, "SERVICE": 24, "LOGIN": 14}


def procedure_due(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """A declared check of this component says that its procedure is needed."""
    for one in spec.procedures:
        if one.component == part.name and one.name in facts.due:
            said = f"{' '.join(one.check)}: {facts.due[one.name]}"
            return Finding(
                verdict="confirms",
                name=one.cause,
                component=part.name,
                culprit=facts.due[one.name],
                likelihood=0.9,
                depth=DEPTHS[one.cause.split(".")[0]],
                evidence=(Evidence(source=f"check of {one.name}", excerpt=said),),
            )
    return None


def worth_asking(spec: AppSpec, facts: Facts, diagnosis: Diagnosis) -> tuple[Procedure, ...]:
    """The procedures whose check may still tell something, where all else is known.

    A check is a program of the application's own, and starting it often takes longer than all other
    questions together. It is left out where even "yes" would rank behind what is known already, of
    a part that is needed before, or deeper; and where its component answers when it is asked
    itself, but another is known to be broken. It is run all the same if it cures a cause that was
    found.
    """
    known = {cause.name for cause in diagnosis.causes}
    return tuple(
        one
        for one in spec.procedures
        if not known.isdisjoint(one.cures) or _may_be_first(spec, facts, diagnosis.top, one)
    )


def _may_be_first(spec: AppSpec, facts: Facts, top: Cause, one: Procedure) -> bool:
    order = [part.name for part in spec.deepest_first()]
    if not top.component or top.depth < VAGUE:
        return True
    reply = facts.direct.get(one.component)
    if one.component != top.component and reply and 0 < reply.status < BROKEN:
        return False
    depth = DEPTHS[one.cause.split(".")[0]]
    return (order.index(one.component), -depth) <= (order.index(top.component), -top.depth)
