"""The probes there are: what can be wrong with a component, and the facts that show it."""

import re

from autoloop.core.app import AppSpec, Component
from autoloop.core.diagnosis import Evidence
from autoloop.core.facts import Drift, Facts
from autoloop.core.probe import Finding, PerComponent, Probe

_ADDRESS = re.compile(r"(?i)\w+://|localhost|:\d{2,5}\b|^\d{2,5}$")
_NAMED_PORT = re.compile(r"(?:(?:127\.0\.0\.1|localhost|\[::1\]|0\.0\.0\.0):|^)(\d{2,5})\b")


def drift_of(facts: Facts, part: Component) -> tuple[Drift, ...]:
    """The files of *part* that are not as they were when all was well."""
    return tuple(d for d in facts.drift if d.path in part.files())


def _suffers(spec: AppSpec, facts: Facts, part: Component) -> bool:
    if not facts.serves(part):
        return True
    return not _healthy(spec, facts) and all(facts.serves(each) for each in spec.components)


def setting_missing(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """A setting that the last good state has is gone, and the component does not serve, or it is
    the application that is not well although every component seems to serve."""
    for drift in drift_of(facts, part):
        if drift.settings and drift.settings.missing and _suffers(spec, facts, part):
            key = _named_in(facts.of(part).log, drift.settings.missing)
            found = Evidence(source=drift.path, excerpt=f"{key} is gone since the last good state")
            said = _last_line(facts.of(part).log, key)
            return Finding(
                verdict="confirms",
                name="CONFIG.env_missing",
                component=part.name,
                culprit=key,
                likelihood=0.97 if said else 0.85,
                depth=30,
                evidence=(found, Evidence(source=f"log of {part.unit}", excerpt=said)),
            )
    return None


def setting_wrong(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """A setting has another value than when all was well, and the component does not serve."""
    for drift in drift_of(facts, part):
        if drift.settings and drift.settings.changed and not _healthy(spec, facts):
            key = _named_in(facts.of(part).log, tuple(drift.settings.changed))
            good, now = drift.settings.changed[key]
            address = bool(_ADDRESS.search(good) or _ADDRESS.search(now))
            return Finding(
                verdict="confirms",
                name="CONFIG.wrong_port" if address else "CONFIG.invalid_config_file",
                component=part.name,
                culprit=key,
                likelihood=0.8,
                depth=28,
                evidence=(Evidence(source=drift.path, excerpt=f"{key}: was {good}, is {now}"),),
            )
    return None


def config_broken(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """The component's own test of its configuration fails."""
    own = facts.of(part)
    if own.config_ok is not False:
        return None
    changed = [d.path for d in drift_of(facts, part)]
    named = [path for path in changed if path.rsplit("/", 1)[-1] in own.config_says]
    return Finding(
        verdict="confirms",
        name="CONFIG.invalid_config_file",
        component=part.name,
        culprit=(named or changed or [" ".join(part.config_test)])[0],
        likelihood=0.97,
        depth=32,
        evidence=(Evidence(source=" ".join(part.config_test), excerpt=own.config_says[-600:]),),
    )


def config_points_elsewhere(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """A changed configuration, valid in itself, and the way to the application is broken."""
    own = facts.of(part)
    changed = [d for d in drift_of(facts, part) if d.settings is None]
    if not changed or own.config_ok is False or _healthy(spec, facts):
        return None
    if own.service.activity != "running" or not all(
        facts.serves(spec.component(need)) for need in part.needs
    ):
        return None
    path = changed[0].path
    return Finding(
        verdict="confirms",
        name="CONFIG.wrong_port",
        component=part.name,
        culprit=_wrong_port(own.log, spec) or path,
        likelihood=0.85,
        depth=29,
        evidence=(
            Evidence(source=path, excerpt="differs from the last good state"),
            Evidence(source="health case", excerpt=f"{facts.health.status} {facts.health.error}"),
            *_connects(own.log),
        ),
    )


def port_taken(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """Another process listens on the component's port."""
    if part.port is None:
        return None
    strangers = [h for h in facts.on_port(part.port) if h.pid and not facts.belongs(h, part)]
    if not strangers or facts.serves(part):
        return None
    one = strangers[0]
    whose = f"unit {one.unit}" if one.unit else "no unit"
    excerpt = f"port {one.port} is held by process {one.pid} of {whose}: {one.command[:200]}"
    return Finding(
        verdict="confirms",
        name="SERVICE.port_blocked",
        component=part.name,
        culprit=str(part.port),
        likelihood=0.98,
        depth=31,
        evidence=(Evidence(source="listening sockets", excerpt=excerpt),),
    )


def not_running(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """The component's service does not run. Confirmed causes below it go first."""
    state = facts.of(part).service
    if state.activity == "running":
        return Finding(verdict="refutes", name="SERVICE.service_down", component=part.name)
    if state.activity == "unknown":
        return None
    said = f"{state.activity}, result {state.result or '-'}, restarts {state.restarts}"
    return Finding(
        verdict="confirms",
        name="SERVICE.service_down",
        component=part.name,
        culprit=part.unit,
        likelihood=0.7 if state.activity == "starting" else 0.9,
        depth=20,
        evidence=(
            Evidence(source=f"{part.manager} {part.unit}", excerpt=said),
            Evidence(source=f"log of {part.unit}", excerpt="\n".join(_tail(facts, part))),
        ),
    )


def does_not_answer(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """It runs but is of no use: it does not own its port, or the front reports an error."""
    state = facts.of(part).service
    if state.activity != "running" or _healthy(spec, facts):
        return None
    if part.port is not None and not facts.serves(part):
        excerpt = f"runs as process {state.pid}, but nothing of it listens on port {part.port}"
        name, likelihood, depth = "CONFIG.wrong_port", 0.6, 15
    elif facts.health.status in (502, 503, 504) or facts.health.status == 0:
        excerpt = f"the health case got {facts.health.status} {facts.health.error}".strip()
        name, likelihood, depth = "SERVICE.upstream_unreachable", 0.4, 5
    else:
        return None
    return Finding(
        verdict="confirms",
        name=name,
        component=part.name,
        culprit=str(part.port or part.unit),
        likelihood=likelihood,
        depth=depth,
        evidence=(Evidence(source=part.unit, excerpt=excerpt),),
    )


PROBES: tuple[Probe, ...] = tuple(
    PerComponent(judge.__name__, judge)
    for judge in (
        setting_missing,
        setting_wrong,
        config_broken,
        config_points_elsewhere,
        port_taken,
        not_running,
        does_not_answer,
    )
)


def _healthy(spec: AppSpec, facts: Facts) -> bool:
    return facts.health.status == spec.cases[0].status


def _named_in(log: str, keys: tuple[str, ...]) -> str:
    return next((key for key in keys if key in log), keys[0])


def _last_line(log: str, word: str) -> str:
    return next((line.strip() for line in reversed(log.splitlines()) if word in line), "")[:300]


def _tail(facts: Facts, part: Component) -> list[str]:
    return facts.of(part).log.splitlines()[-6:]


def _connects(log: str) -> tuple[Evidence, ...]:
    line = _last_line(log, "connect() failed")
    return (Evidence(source="front log", excerpt=line),) if line else ()


def _wrong_port(log: str, spec: AppSpec) -> str:
    known = {str(part.port) for part in spec.components if part.port}
    line = _last_line(log, "upstream:")
    found = _NAMED_PORT.findall(line.rpartition("upstream:")[2])
    return next((port for port in found if port not in known), "")
