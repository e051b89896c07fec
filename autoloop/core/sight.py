"""What one diagnosis was made from, as it is kept with its incident, so that it is made again."""

from typing import Any

from autoloop.core.app import AppSpec, HostSpec, Limits
from autoloop.core.case import Case, CaseResult
from autoloop.core.delivery import DeploySpec
from autoloop.core.diagnose import diagnose, informed, told_by
from autoloop.core.diagnosis import Diagnosis
from autoloop.core.experience import Outcome, experienced
from autoloop.core.facts import Facts
from autoloop.core.incident import Incident
from autoloop.core.redact import redact
from autoloop.core.words import Frozen

LARGEST = 1 << 20
"""Characters of JSON; what was seen is a few ten thousand of them as a rule."""

MOST_FILES = 300
"""Of files that differ, the first; those of the code come after the others."""


class Sight(Frozen):
    """The application as it was declared then, without its secrets, and what was seen, redacted."""

    spec: AppSpec
    facts: Facts
    cases: tuple[CaseResult, ...] = ()
    at: str = ""

    def kept(self) -> dict[str, Any] | None:
        """As JSON; None where that would be too large."""
        text = self.model_dump_json(exclude_defaults=True)
        return self.model_dump(mode="json", exclude_defaults=True) if len(text) <= LARGEST else None


def sight_of(spec: AppSpec, facts: Facts, cases: tuple[CaseResult, ...], at: str) -> Sight:
    """What a look gave, as it may be kept."""
    inside = f"{spec.code.path}/" if spec.code else "\0"
    drift = sorted(facts.drift, key=lambda one: one.path.startswith(inside))[:MOST_FILES]
    kept = facts.model_copy(update={"drift": tuple(drift)})
    return Sight(spec=without_secrets(spec), facts=kept, cases=cases, at=at)


def without_secrets(spec: AppSpec) -> AppSpec:
    """What a diagnosis asks of *spec*: no requests, no way to its host, commands redacted."""
    nothing = ("true",)
    return spec.model_copy(
        update={
            "host": HostSpec(),
            "limits": Limits(),
            "deploy": DeploySpec(),
            "space": (),
            "cases": tuple(Case(name=c.name, url="", status=c.status) for c in spec.cases),
            "components": tuple(
                part.model_copy(
                    update={"supervisorctl": nothing, "config_test": _shown(part.config_test)}
                )
                for part in spec.components
            ),
            "procedures": tuple(
                one.model_copy(update={"check": _shown(one.check), "apply": nothing, "undo": ()})
                for one in spec.procedures
            ),
        }
    )


def _shown(command: tuple[str, ...]) -> tuple[str, ...]:
    """A command as evidence shows it, in one word."""
    return (redact(" ".join(command)),) if command else ()


def judged(incident: Incident, sight: Sight, outcomes: tuple[Outcome, ...]) -> Diagnosis:
    """The diagnosis that today's rules make of what was seen then."""
    found = diagnose(sight.spec, sight.facts, sight.cases, sight.at)
    return informed(experienced(found, outcomes), told_by(incident))
