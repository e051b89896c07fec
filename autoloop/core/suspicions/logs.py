"""What a component's own log says, read as any text is: a hypothesis, where the host shows none."""

import re

from autoloop.core.app import AppSpec, Component
from autoloop.core.diagnosis import BENIGN, Cause, Evidence
from autoloop.core.facts import Facts
from autoloop.core.probe import Finding
from autoloop.core.reading import signature_engine
from autoloop.core.suspicions.seen import suffers

NEWEST_LINES = 150
WORTH_NAMING = 0.6
BELIEVED = 0.7
"""How much of the text engine's confidence is left: the newest lines may still be old."""

CONSEQUENCES = frozenset({"SERVICE.service_down", "SERVICE.crash_loop"})
"""What a manager says of any program that ended, whatever it ended by."""

SHOWN_BY_THE_HOST = frozenset(
    {"SERVICE.disk_full", "SERVICE.port_blocked", "SERVICE.memory_leak", "DATABASE.disk_full_db"}
)
"""What the host itself shows when it is so: a line that only says it is old, or made up."""

_STARTED = re.compile(r"\bsystemd\[\d+\]: Started |\bentered RUNNING state\b")
"""What systemd and supervisord say of a program that has started."""

IN_ORDER = ("", "success", "stopped")
"""How systemd and supervisord call the end of what somebody stopped."""


def log_says(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """The newest lines of a component in trouble name a cause.

    It goes before "it does not run", which it explains, and after everything else that was seen
    on the host itself, of whichever component. A service that was stopped in order did not end
    by what it said. What it said since it started last goes before what it said earlier.
    """
    lines = facts.of(part).log.splitlines()[-NEWEST_LINES:]
    state = facts.of(part).service
    stopped = state.activity == "stopped" and state.result in IN_ORDER
    if not lines or stopped or not suffers(spec, facts, part) or _blameless(facts, part):
        return None
    top = _cause(since_started(lines), part) or _cause(lines, part)
    if top is None:
        return None
    return Finding(
        verdict="confirms",
        name=top.name,
        component=part.name,
        culprit=top.culprit or part.unit,
        likelihood=round(top.confidence * BELIEVED, 2),
        depth=9 if state.activity == "running" else 21,
        evidence=tuple(
            Evidence(source=f"log of {part.unit}", excerpt=e.excerpt) for e in top.evidence
        ),
    )


def since_started(lines: list[str]) -> list[str]:
    """*lines* behind the last start that succeeded: what was said before may have been mended."""
    started = (n for n in reversed(range(len(lines))) if _STARTED.search(lines[n]))
    return lines[next(started, -1) + 1 :]


def _cause(lines: list[str], part: Component) -> Cause | None:
    """The first cause that *lines* name and that is the component's own."""
    read = signature_engine().read("\n".join(lines))
    return next((c for c in read if _worth_naming(c) and not _of_another(c, part)), None)


def _worth_naming(cause: Cause) -> bool:
    known = cause.name not in CONSEQUENCES and cause.name not in (BENIGN, *SHOWN_BY_THE_HOST)
    return known and cause.confidence >= WORTH_NAMING


def _blameless(facts: Facts, part: Component) -> bool:
    """Whether it answers well when it is asked itself, and only its front reports errors."""
    reply = facts.direct.get(part.name)
    answers = reply is not None and 0 < reply.status < 500
    return answers and facts.health.status in (502, 504)


def _of_another(cause: Cause, part: Component) -> bool:
    """What a proxy says of those behind it is their trouble, and found there."""
    return cause.name == "SERVICE.upstream_unreachable" and bool(part.needs)
