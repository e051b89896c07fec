"""Proof: a remedy counts when its own check, the application's cases and the cause all agree."""

from autoloop.core.app import AppSpec
from autoloop.core.case import CaseResult
from autoloop.core.diagnosis import Cause, Diagnosis
from autoloop.core.remedy import Proposal
from autoloop.core.target import Answer
from autoloop.core.words import Frozen


class Check(Frozen):
    """One thing that had to be so."""

    name: str
    passed: bool
    why: str = ""


class Proof(Frozen):
    """All checks of one remedy. It holds when every one passed, over the whole window."""

    checks: tuple[Check, ...]
    held_s: float = 0.0
    at: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it; no checks are no proof."""
        return bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def complaint(self) -> str:
        """The first check that failed, in words."""
        return next((f"{c.name}: {c.why}" for c in self.checks if not c.passed), "")


def proof_of(
    spec: AppSpec,
    proposal: Proposal | None,
    cause: Cause | None,
    after: Diagnosis,
    cases: tuple[CaseResult, ...],
    files: dict[str, Answer],
) -> tuple[Check, ...]:
    """The checks of one look at the host after a remedy (or after a deployment: no cause)."""
    checks = [Check(name=f"case {c.name}", passed=c.passed, why=c.why) for c in cases]
    for path, answer in files.items():
        wanted = proposal.files[path] if proposal else ""
        found = answer.value["sha256"] if answer.ok else answer.error
        checks.append(
            Check(name=f"content of {path}", passed=found == wanted, why=f"is {found[:12]}")
        )
    if cause is not None:
        again = next((c for c in after.causes if c.name == cause.name), None)
        checks.append(
            Check(name=f"cause {cause.name} is gone", passed=again is None, why="still confirmed")
        )
    for name in (part.name for part in spec.components):
        serves = name not in after.impact.components
        checks.append(Check(name=f"{name} serves", passed=serves, why="does not run or answer"))
    return tuple(checks)
