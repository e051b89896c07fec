"""Services: stopped, kept from their port, or running without being of use."""

from autoloop.core.app import AppSpec, Component
from autoloop.core.diagnosis import Evidence
from autoloop.core.facts import Facts, OpenFiles
from autoloop.core.probe import Finding
from autoloop.core.suspicions.seen import healthy, last_line, suffers, tail

LOCAL = frozenset({"0.0.0.0", "127.0.0.1", "::", "::1"})  # noqa: S104 - read, not listened on
NO_WAY = "connection timed out"
"""How the agent begins what it says of a port from which nothing comes back."""

NO_FILES = ("Too many open files", "EMFILE", "ENFILE")
NEARLY = 0.97
"""Of the files that a process may open: what is left is no use, as it is for one request."""

USER = 217
STEPS = {
    200: "CONFIG.missing_file",  # CHDIR
    203: "CONFIG.missing_file",  # EXEC
    209: "CONFIG.permission_denied",  # STDOUT
    USER: "CONFIG.invalid_config_file",
    226: "CONFIG.invalid_config_file",  # NAMESPACE
}
"""What systemd could not do before the program began, by its exit code."""


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


def cannot_be_started(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """systemd could not even begin: a program, a folder or a user that the unit names is not there.

    Its exit codes from 200 are its own: https://www.freedesktop.org/software/systemd/man/latest/
    systemd.exec.html#Process%20Exit%20Codes
    """
    state = facts.of(part).service
    if part.manager != "systemd" or state.activity == "running" or not state.exit_status:
        return None
    name = STEPS.get(state.exit_status)
    said = last_line(facts.of(part).log, "Failed at step")
    if name is None or not said:
        return None
    spawned = said.partition(" spawning ")[2].rpartition(": ")[0]
    return Finding(
        verdict="confirms",
        name=name,
        component=part.name,
        culprit=part.unit if state.exit_status == USER else spawned or part.unit,
        likelihood=0.9,
        depth=31,  # of the last start itself: what a log says may be older
        evidence=(Evidence(source=f"log of {part.unit}", excerpt=said),),
    )


def files_exhausted(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """A process has as many files open as it may; or the component does not serve, and says since
    its start that it may open no more: one that begins again and again is seldom caught at it."""
    if not suffers(spec, facts, part):
        return None
    own = facts.open_files.get(part.name, OpenFiles())
    said = next((x for word in NO_FILES if (x := last_line(facts.of(part).log, word))), "")
    full = bool(own.limit) and own.used >= own.limit * NEARLY
    if not full and (not said or facts.serves(part)):
        return None
    has = f"process {own.pid} has {own.used} of {own.limit} files open" if own.limit else ""
    return Finding(
        verdict="confirms",
        name="SERVICE.too_many_open_files",
        component=part.name,
        culprit=part.unit,
        likelihood=0.95 if full and said else 0.85,
        depth=24,
        evidence=(
            Evidence(source=part.unit, excerpt=has),
            Evidence(source=f"log of {part.unit}", excerpt=said),
        ),
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
            Evidence(source=f"log of {part.unit}", excerpt="\n".join(tail(facts, part))),
        ),
    )


def does_not_answer(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """It runs but is of no use: it does not own its port, or the front reports an error. A front
    speaks of what speaks HTTP: a database is not suspected for it."""
    state = facts.of(part).service
    if state.activity != "running" or healthy(spec, facts):
        return None
    if part.port is not None and not facts.serves(part):
        excerpt = f"runs as process {state.pid}, but nothing of it listens on port {part.port}"
        name, likelihood, depth = "CONFIG.wrong_port", 0.6, 15
    elif part.http and facts.health.status in (0, 502, 503, 504):
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


def kept_away(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """It listens on its port, and yet nobody on the host gets a connection: something between
    them drops or rejects packets, or it listens on another address."""
    reply = facts.direct.get(part.name)
    if reply is None or reply.status or not facts.serves(part):
        return None
    own = [h.address for h in facts.on_port(part.port) if facts.belongs(h, part)]
    here = not own or any(address in LOCAL for address in own)
    if here and "refused" not in reply.error and not reply.error.startswith(NO_WAY):
        return None
    listens = f"listens on {', '.join(own)} port {part.port}" if own else "has its port"
    return Finding(
        verdict="confirms",
        name="SERVICE.upstream_unreachable" if here else "CONFIG.wrong_port",
        component=part.name,
        culprit=str(part.port),
        likelihood=0.8,
        depth=19,
        evidence=(
            Evidence(source=part.unit, excerpt=listens),
            Evidence(source=f"from the host to port {part.port}", excerpt=reply.error),
        ),
    )


def hangs(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """It runs and owns its port, but whoever asks there waits for nothing; the first case too."""
    reply = facts.direct.get(part.name)
    if facts.health.status not in (0, 502, 503, 504):
        return None
    if reply is None or reply.status or not facts.serves(part) or "timed out" not in reply.error:
        return None
    if reply.error.startswith(NO_WAY):
        return None
    asked = f"asked on port {part.port}, it did not answer: {reply.error}"
    return Finding(
        verdict="confirms",
        name="SERVICE.timeout",
        component=part.name,
        culprit=part.unit,
        likelihood=0.85,
        depth=18,
        evidence=(Evidence(source=part.unit, excerpt=asked),),
    )
