"""Settings and configuration: missing, wrong, broken, or pointing elsewhere."""

import re

from autoloop.core.app import AppSpec, Component
from autoloop.core.diagnosis import Cause, Evidence
from autoloop.core.facts import Facts, Reached
from autoloop.core.probe import Finding
from autoloop.core.reading import signature_engine
from autoloop.core.suspicions.seen import (
    access,
    drift_of,
    expired,
    healthy,
    in_code,
    last_line,
    named_in,
    owns,
    same_content,
    suffers,
)
from autoloop.core.suspicions.servers import DENIED, refused, said

_ADDRESS = re.compile(r"(?i)\w+://|localhost|:\d{2,5}\b")
_PORT, _OF_PORTS = re.compile(r"\d{2,5}"), re.compile(r"(?i)port|bind|listen|addr")
_SPAN = re.compile(r"[\"']?-?\d+(?:\.\d+)?\s*[a-zA-Z]{0,12}[\"']?")
_NAMED_PORT = re.compile(r"(?:(?:127\.0\.0\.1|localhost|\[::1\]|0\.0\.0\.0):|^)(\d{2,5})\b")


def setting_missing(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """A setting that the last good state has is gone, and the component does not serve, or it is
    the application that is not well although every component seems to serve."""
    for drift in drift_of(facts, part):
        if drift.settings and drift.settings.missing and suffers(spec, facts, part):
            key = named_in(facts.of(part).log, drift.settings.missing)
            found = Evidence(source=drift.path, excerpt=f"{key} is gone since the last good state")
            said = last_line(facts.of(part).log, key)
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
        if drift.settings and drift.settings.changed and not healthy(spec, facts):
            changed = tuple(drift.settings.changed)
            away = [key for key in changed if refused(facts, part, key)]
            late = expired(facts)
            spans = [key for key in changed if late and _is_span(*drift.settings.changed[key])]
            key = named_in(facts.of(part).log, tuple(away or spans) or changed)
            good, now = drift.settings.changed[key]
            server = refused(facts, part, key)
            return Finding(
                verdict="confirms",
                name="LOGIN.token_expired" if key in spans else _kind(key, good, now, server),
                component=part.name,
                culprit=key,
                likelihood=0.8,
                depth=28,
                evidence=(
                    Evidence(source=drift.path, excerpt=f"{key}: {_change(good, now)}"),
                    *([Evidence(source=server.server, excerpt=said(server))] if server else ()),
                    *([Evidence(source=f"case {late.name}", excerpt=late.said)] if late else ()),
                ),
            )
    return None


def _change(good: str, now: str) -> str:
    """Both values are redacted: where they look the same, it is the hidden part that changed."""
    return f"{good}: its secret has changed" if good == now else f"was {good}, is {now}"


def _is_span(good: str, now: str) -> bool:
    """Whether both values can be a span of time: a number, perhaps with its unit."""
    return bool(_SPAN.fullmatch(good) and (_SPAN.fullmatch(now) or not now))


def _kind(key: str, good: str, now: str, server: Reached | None) -> str:
    """A credential that a server does not take, an address, or just any value. A bare number is a
    port where the setting's name says so."""
    if server and server.code in DENIED:
        return "CONFIG.auth_failed"
    numbers = _OF_PORTS.search(key) and (_PORT.fullmatch(good) or _PORT.fullmatch(now))
    address = numbers or _ADDRESS.search(good) or _ADDRESS.search(now)
    return "CONFIG.wrong_port" if address else "CONFIG.invalid_config_file"


def setting_added(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """A setting that the last good state does not have, and the component is in trouble."""
    for drift in drift_of(facts, part):
        if drift.settings and drift.settings.added and suffers(spec, facts, part):
            added = drift.settings.added
            away = tuple(key for key in added if refused(facts, part, key))
            key = named_in(facts.of(part).log, away or added)
            server = refused(facts, part, key)
            elsewhere = part.port is not None and not _answers_here(facts, part)
            return Finding(
                verdict="confirms",
                name="CONFIG.wrong_port" if elsewhere else _kind(key, "", "", server),
                component=part.name,
                culprit=key,
                likelihood=0.7,
                depth=25,
                evidence=(
                    Evidence(source=drift.path, excerpt=f"{key} is new since the last good state"),
                    *([Evidence(source=server.server, excerpt=said(server))] if server else ()),
                ),
            )
    return None


def _answers_here(facts: Facts, part: Component) -> bool:
    reply = facts.direct.get(part.name)
    return reply is None or bool(reply.status) or "refused" not in reply.error


def config_broken(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """The component's own test of its configuration fails.

    Where no configuration file differs, what the test says is read: it may be a file that the
    configuration names, a certificate, a right.
    """
    own = facts.of(part)
    if own.config_ok is not False:
        return None
    changed = [d.path for d in drift_of(facts, part)]
    named = [path for path in changed if path.rsplit("/", 1)[-1] in own.config_says]
    blamed = None if changed else _blamed(own.config_says)
    test = " ".join(part.config_test)
    return Finding(
        verdict="confirms",
        name=blamed.name if blamed else "CONFIG.invalid_config_file",
        component=part.name,
        culprit=blamed.culprit if blamed else (named or changed or [test])[0],
        likelihood=0.97,
        depth=32,
        evidence=(Evidence(source=test, excerpt=own.config_says[-600:]),),
    )


def _blamed(says: str) -> Cause | None:
    """What a failed test names besides the configuration itself."""
    read = signature_engine().read(says)
    named = (c for c in read if c.name.startswith(("CONFIG.", "SERVICE.tls_")) and c.culprit)
    return next((c for c in named if c.name != "CONFIG.invalid_config_file"), None)


def config_changed(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """A configuration that has no test of its own differs, and the component does not run."""
    changed = [d for d in drift_of(facts, part) if d.settings is None and not same_content(d)]
    changed = [d for d in changed if not in_code(spec, d.path)]
    state = facts.of(part).service
    if not changed or part.config_test or state.activity in ("running", "unknown"):
        return None
    ended = f"{part.unit} is {state.activity}, result {state.result}, status {state.exit_status}"
    return Finding(
        verdict="confirms",
        name="CONFIG.invalid_config_file",
        component=part.name,
        culprit=changed[0].path,
        likelihood=0.75,
        depth=26,
        evidence=(
            Evidence(source=changed[0].path, excerpt="differs from the last good state"),
            Evidence(source=part.unit, excerpt=ended),
        ),
    )


def config_points_elsewhere(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """A changed configuration, valid in itself, and the way to the application is broken."""
    own = facts.of(part)
    changed = [d for d in drift_of(facts, part) if d.settings is None and not same_content(d)]
    if not changed or own.config_ok is False or healthy(spec, facts):
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


def _connects(log: str) -> tuple[Evidence, ...]:
    line = last_line(log, "connect() failed")
    return (Evidence(source="front log", excerpt=line),) if line else ()


def _wrong_port(log: str, spec: AppSpec) -> str:
    known = {str(part.port) for part in spec.components if part.port}
    line = last_line(log, "upstream:")
    found = _NAMED_PORT.findall(line.rpartition("upstream:")[2])
    return next((port for port in found if port not in known), "")


def permission_lost(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """A file has its content of old but another owner or mode, and the application is not well."""
    for drift in facts.drift:
        if same_content(drift) and owns(spec, part, drift.path) and suffers(spec, facts, part):
            said = last_line(facts.of(part).log, "ermission denied")
            return Finding(
                verdict="confirms",
                name="CONFIG.permission_denied",
                component=part.name,
                culprit=drift.path,
                likelihood=0.95 if said else 0.8,
                depth=29,
                evidence=(
                    Evidence(
                        source=drift.path,
                        excerpt=f"was {access(drift.good)}, is {access(drift.now)}",
                    ),
                    Evidence(source=f"log of {part.unit}", excerpt=said),
                ),
            )
    return None
