"""From a text and the facts of the host to a diagnosis: the deepest confirmed cause comes first.

Evidence from the host outranks the text. Where nothing is wrong on the host, the diagnosis is
"not an error", whatever the text says; where something is wrong that no probe names, "unknown",
or what the text names, which then is only believed so far (`informed`).
"""

from collections.abc import Mapping
from types import MappingProxyType

from autoloop.core.app import AppSpec
from autoloop.core.case import CaseResult
from autoloop.core.diagnosis import BENIGN, UNKNOWN, Cause, Diagnosis, Evidence
from autoloop.core.facts import Facts
from autoloop.core.impact import Impact, data_at_risk, severity_of
from autoloop.core.incident import Incident
from autoloop.core.probe import Finding, Probe
from autoloop.core.reading import text_engine
from autoloop.core.suspicions import PROBES
from autoloop.core.suspicions.procedures import VAGUE
from autoloop.core.taxonomy import BLAMED

UNCONFIRMED = 0.5
"""How much of a text's confidence is left when the host is broken and shows nothing that agrees."""

WORTH_NAMING = 0.3
CLOSE = 0.15
"""Confidences of the host's findings that are this close may be ordered by what the text says."""

NO_REASON = frozenset({"SERVICE.service_down", "SERVICE.crash_loop"})
"""What a restart cures and does not explain, and what every text tells of: lifted over nothing."""

NO_ANSWER = (0, 502, 504)
"""Nobody answered; a front got no answer from what is behind it; or not in time."""

SURE = 0.95
"""What the host shows that clearly stays first: a text often names its consequence."""


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
    since = (facts.traffic.since if facts.traffic else "") or at
    impact = Impact(
        components=broken,
        cases_failing=tuple(r.name for r in failing),
        since=since,
        traffic=facts.traffic,
    )
    if not failing and not broken:
        findings = [finding for finding in findings if finding.alone]
    if not failing and not broken and not findings:
        seen = Evidence(source="cases", at=at, excerpt=f"{len(cases)} of {len(cases)} pass")
        cause = Cause(name=BENIGN, confidence=0.95, evidence=(seen,))
        return Diagnosis(causes=(cause,), impact=impact, severity="P2")
    if not findings:
        found = tuple(Evidence(source=f"case {r.name}", at=at, excerpt=r.why) for r in failing)
        cause = Cause(name=UNKNOWN, confidence=0.0, evidence=found)
        return _weighed(spec, facts, cases, (cause,), impact)
    order = {part.name: rank for rank, part in enumerate(spec.deepest_first())}
    findings.sort(key=lambda f: (order[f.component], -f.depth, -f.likelihood))
    findings.sort(key=lambda f: f.depth < VAGUE)
    causes = tuple(_cause(finding, at) for finding in findings)
    return _weighed(spec, facts, cases, causes, impact)


def _weighed(
    spec: AppSpec,
    facts: Facts,
    cases: tuple[CaseResult, ...],
    causes: tuple[Cause, ...],
    impact: Impact,
) -> Diagnosis:
    """The diagnosis, with its severity and the data at risk."""
    name, first = causes[0].name, spec.cases[0]
    passes = facts.health.status == first.status and all(
        first.name != c.name for c in facts.failing
    )
    unanswered = bool(cases) and all(c.status in NO_ANSWER and not c.passed for c in cases)
    severity, why = severity_of(name, impact, passes, unanswered)
    data = data_at_risk(name, spec.data.sqlite, impact.traffic)
    return Diagnosis(
        causes=causes,
        impact=impact.model_copy(update={"data": data}),
        severity=severity,
        why_severe=why,
    )


def _cause(finding: Finding, at: str) -> Cause:
    return Cause(
        name=finding.name,
        culprit=finding.culprit,
        component=finding.component,
        confidence=finding.likelihood,
        evidence=tuple(e.model_copy(update={"at": at}) for e in finding.evidence if e.excerpt),
        probe=finding.probe,
        depth=finding.depth,
    )


def informed(diagnosis: Diagnosis, said: tuple[Cause, ...]) -> Diagnosis:
    """A diagnosis of the host, ranked with what a text says; the host outranks the text.

    A healthy host stays healthy. Among findings of one component that are about as sure, what the
    text names too goes first, and is surer. Where no probe has a name, the text's cause is named:
    it blames no component, so no remedy is chosen by words alone.
    """
    named = {c.name: c for c in said if c.name != BENIGN and c.confidence >= WORTH_NAMING}
    if diagnosis.benign or not named:
        return diagnosis
    if diagnosis.top.name == UNKNOWN:
        believed = [_believed(cause, diagnosis.top) for cause in named.values()]
        return diagnosis.model_copy(update={"causes": (*believed, *diagnosis.causes)})
    causes: list[Cause] = []
    for cause in diagnosis.causes:
        agreed = named.get(cause.name)
        causes.append(_agreed(cause, agreed) if agreed else cause)
        if agreed and len(causes) > 1 and _gives_way(causes[-2], cause, named):
            causes[-2:] = causes[:-3:-1]
    return diagnosis.model_copy(update={"causes": tuple(causes)})


def told_by(incident: Incident) -> tuple[Cause, ...]:
    """What the text of an incident says; the platform's own words are no evidence."""
    if incident.source == "health":
        return ()
    told = incident.fields
    return of_type(text_engine().read(incident.text), told.get("type", ""), told)


def of_type(
    said: tuple[Cause, ...], kind: str, told: Mapping[str, str] = MappingProxyType({})
) -> tuple[Cause, ...]:
    """What a text says, with the type (a class or a full name) that was told beside it.

    Causes of that type are surer; a full name that the words do not show is a cause of its own.
    Where no culprit is named, it is what was *told* to blame: the table of a database, the user
    of a login (`BLAMED`).
    """
    if not kind:
        return said
    seen = Evidence(source="reported type", excerpt=kind)
    sure = [c for c in said if kind in (c.name, c.error_class)]
    made = [Cause(name=kind, confidence=UNCONFIRMED)] if "." in kind and not sure else []
    named = [
        cause.model_copy(
            update={
                "confidence": round(1 - (1 - cause.confidence) * UNCONFIRMED, 2),
                "culprit": cause.culprit or told.get(BLAMED.get(cause.error_class, ""), ""),
                "evidence": (*cause.evidence, seen),
            }
        )
        for cause in (*sure, *made)
    ]
    return (*named, *(cause for cause in said if cause not in sure))


def _believed(cause: Cause, unnamed: Cause) -> Cause:
    sure = round(cause.confidence * UNCONFIRMED, 2)
    evidence = (*cause.evidence, *unnamed.evidence)
    return cause.model_copy(update={"confidence": sure, "evidence": evidence})


def _agreed(cause: Cause, said: Cause) -> Cause:
    sure = round(1 - (1 - cause.confidence) * (1 - said.confidence * UNCONFIRMED), 2)
    evidence = (*cause.evidence, *said.evidence[:1])
    return cause.model_copy(update={"confidence": sure, "evidence": evidence})


def _gives_way(before: Cause, cause: Cause, named: dict[str, Cause]) -> bool:
    """Whether the finding before one that the text names too is of the same part, and no surer."""
    same = before.component == cause.component and before.name not in named
    near = before.confidence < SURE and before.confidence - cause.confidence < CLOSE
    return same and near and cause.name not in NO_REASON
