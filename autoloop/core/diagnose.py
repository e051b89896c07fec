"""From a text and the facts of the host to a diagnosis: the deepest confirmed cause comes first.

Evidence from the host outranks the text. Where nothing is wrong on the host, the diagnosis is
"not an error", whatever the text says; where something is wrong that no probe names, "unknown".
"""

from autoloop.core.app import AppSpec
from autoloop.core.case import CaseResult
from autoloop.core.diagnosis import BENIGN, SEVERITIES, UNKNOWN, Cause, Diagnosis, Evidence, Impact
from autoloop.core.facts import Facts
from autoloop.core.probe import Finding, Probe
from autoloop.core.suspicions import PROBES


def diagnose(
    spec: AppSpec,
    facts: Facts,
    cases: tuple[CaseResult, ...],
    at: str = "",
    probes: tuple[Probe, ...] = PROBES,
) -> Diagnosis:
    """Rank what the probes confirm.

    Depth goes before likelihood: a missing setting explains a stopped service, not the reverse.
    A component that others need goes before those that need it.
    """
    failing = tuple(result for result in cases if not result.passed)
    broken = tuple(part.name for part in spec.components if not facts.serves(part))
    findings = [f for probe in probes for f in probe.judge(spec, facts) if f.verdict == "confirms"]
    impact = Impact(components=broken, cases_failing=tuple(r.name for r in failing), since=at)
    if not failing and not broken:
        seen = Evidence(source="cases", at=at, excerpt=f"{len(cases)} of {len(cases)} pass")
        cause = Cause(name=BENIGN, confidence=0.95, evidence=(seen,))
        return Diagnosis(causes=(cause,), impact=impact, severity="P2")
    if not findings:
        found = tuple(Evidence(source=f"case {r.name}", at=at, excerpt=r.why) for r in failing)
        cause = Cause(name=UNKNOWN, confidence=0.0, evidence=found)
        return Diagnosis(causes=(cause,), impact=impact, severity="P1")
    order = {part.name: rank for rank, part in enumerate(spec.deepest_first())}
    findings.sort(key=lambda f: (order[f.component], -f.depth, -f.likelihood))
    findings.sort(key=lambda f: f.depth < 10)
    causes = tuple(_cause(finding, at) for finding in findings)
    return Diagnosis(
        causes=causes,
        impact=impact,
        severity=SEVERITIES.get(causes[0].name, "P0" if broken else "P1"),
    )


def _cause(finding: Finding, at: str) -> Cause:
    return Cause(
        name=finding.name,
        culprit=finding.culprit,
        component=finding.component,
        confidence=finding.likelihood,
        evidence=tuple(e.model_copy(update={"at": at}) for e in finding.evidence if e.excerpt),
    )
