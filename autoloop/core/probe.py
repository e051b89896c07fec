"""Probes: each holds one suspicion against the facts of the host. Read only, no clock, no network.

A probe names what it suspects and judges every component. Facts are gathered in one batch for all
probes together (`autoloop.core.facts.reads_for`), so a probe costs no round trip.
"""

from collections.abc import Callable
from typing import Protocol

from autoloop.core.app import AppSpec, Component
from autoloop.core.diagnosis import Evidence, Verdict
from autoloop.core.facts import Facts
from autoloop.core.words import Frozen


class Finding(Frozen):
    """An answer of *probe* for one component. *depth* ranks causes over consequences.

    *alone* says that it is trouble even while every component serves and every case passes.
    """

    verdict: Verdict
    name: str
    component: str
    culprit: str = ""
    likelihood: float = 0.0
    depth: int = 0
    alone: bool = False
    evidence: tuple[Evidence, ...] = ()
    probe: str = ""


class Probe(Protocol):
    """One suspicion."""

    name: str

    def judge(self, spec: AppSpec, facts: Facts) -> tuple[Finding, ...]:
        """What the facts say of it; silent findings may be left out."""
        ...


Judge = Callable[[AppSpec, Facts, Component], Finding | None]


class PerComponent:
    """A probe from a function that looks at one component."""

    def __init__(self, name: str, judge: Judge) -> None:
        self.name = name
        self._judge = judge

    def judge(self, spec: AppSpec, facts: Facts) -> tuple[Finding, ...]:
        """The findings of every component, in the order in which causes travel."""
        found = (self._judge(spec, facts, part) for part in spec.deepest_first())
        own = {"probe": self.name}
        return tuple(finding.model_copy(update=own) for finding in found if finding is not None)
