"""A diagnosis: ranked causes, each with what speaks for and against it, and its impact."""

from typing import Literal

from pydantic import Field

from autoloop.core.impact import Impact
from autoloop.core.taxonomy import Severity
from autoloop.core.words import Frozen, Words

Verdict = Literal["confirms", "refutes", "silent"]

UNKNOWN = "UNKNOWN.unknown"
BENIGN = "NONE.benign"


class Evidence(Frozen):
    """One observation: where it comes from, when, and the words of it, redacted."""

    source: str
    at: str = ""
    excerpt: str = ""
    verdict: Verdict = "confirms"


class Cause(Frozen):
    """One possible cause: its name in the taxonomy, what is to blame, and how sure that is.

    Of what the host shows, *probe* is who found it, and *depth* ranks causes over consequences.
    """

    name: str = Field(pattern=r"^[A-Z]+\.[a-z_]+$")
    culprit: str = ""
    component: str = ""
    confidence: float = Field(ge=0, le=1)
    evidence: tuple[Evidence, ...] = ()
    probe: str = ""
    depth: int = 0

    @property
    def error_class(self) -> str:
        """The part before the dot."""
        return self.name.split(".")[0]


class Diagnosis(Frozen):
    """Causes, most likely first. Never empty: not knowing and nothing wrong are causes too."""

    causes: tuple[Cause, ...] = Field(min_length=1)
    impact: Impact = Impact()
    severity: Severity = "P1"
    why_severe: Words = Words(en="")

    @property
    def top(self) -> Cause:
        """The most likely cause."""
        return self.causes[0]

    @property
    def benign(self) -> bool:
        """Whether there is nothing to repair."""
        return self.top.name == BENIGN


def unknown(source: str, why: str) -> Diagnosis:
    """The diagnosis of a trouble that could not be looked into, and why."""
    seen = Evidence(source=source, excerpt=why)
    return Diagnosis(causes=(Cause(name=UNKNOWN, confidence=0.0, evidence=(seen,)),))
