"""``autoloop doctor``: what would keep an application from being cared for."""

from pathlib import Path
from typing import Any

from autoloop.agent.session import Session
from autoloop.core.app import AppSpec
from autoloop.core.case import repeatable
from autoloop.core.errors import AutoloopError
from autoloop.core.facts import facts_from, reads_for
from autoloop.doors.client import read_spec
from blocks.host import Host


def repeated(spec: AppSpec) -> list[str]:
    """Cases that may change something, and of which nobody has said that they may be repeated."""
    return [
        f"case {case.name}: {case.method} is sent at every look - say safe = true, or safe = false"
        for case in repeatable(spec.cases)
        if case.method not in ("GET", "HEAD") and "safe" not in case.model_fields_set
    ]


def examine(file: Path) -> list[dict[str, Any]]:
    """One row a check, in the order in which they depend on each other."""
    try:
        spec = read_spec(file)
    except AutoloopError as error:
        return [{"ok": False, "what": str(error)}]
    rows = [{"ok": True, "what": f"{file}: application {spec.name}"}]
    session = Session(Host.of(spec.host).connect, lambda _: 0)
    try:
        facts = facts_from(spec, session.observe(reads_for(spec), 60))
    except AutoloopError as error:
        return [*rows, {"ok": False, "what": str(error)}]
    finally:
        session.close()
    rows.append({"ok": True, "what": f"{spec.host.address}: the agent answers"})
    for part in spec.components:
        state = facts.components[part.name].service
        what = f"component {part.name}: {part.unit} is {state.activity}"
        rows.append({"ok": facts.serves(part), "what": what})
    rows += [{"ok": True, "what": each} for each in repeated(spec)]
    wanted, got = spec.cases[0].status, facts.health.status
    what = f"case {spec.cases[0].name}: {got or facts.health.error}, expected {wanted}"
    return [*rows, {"ok": got == wanted, "what": what}]
