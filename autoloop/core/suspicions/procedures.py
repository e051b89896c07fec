"""What the application's own checks say."""

from autoloop.core.app import AppSpec, Component
from autoloop.core.diagnosis import Evidence
from autoloop.core.facts import Facts
from autoloop.core.probe import Finding

DEPTHS = {"CODE": 26, "DATABASE": 25, "SERVICE": 24, "LOGIN": 14}


def procedure_due(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """A declared check of this component says that its procedure is needed."""
    for one in spec.procedures:
        if one.component == part.name and one.name in facts.due:
            said = f"{' '.join(one.check)}: {facts.due[one.name]}"
            return Finding(
                verdict="confirms",
                name=one.cures,
                component=part.name,
                culprit=facts.due[one.name],
                likelihood=0.9,
                depth=DEPTHS[one.cures.split(".")[0]],
                evidence=(Evidence(source=f"check of {one.name}", excerpt=said),),
            )
    return None
