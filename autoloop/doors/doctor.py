"""``autoloop doctor``: what would keep an application from being cared for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from autoloop.agent.session import Session
from autoloop.core.app import AppSpec
from autoloop.core.case import CaseResult, repeatable
from autoloop.core.errors import AutoloopError
from autoloop.doors import client
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
        look = client.looking().look_at(spec, session)
    except AutoloopError as error:
        return [*rows, {"ok": False, "what": str(error)}]
    finally:
        session.close()
    rows.append({"ok": True, "what": f"{spec.host.address}: the agent answers"})
    for part in spec.components:
        state = look.facts.components[part.name].service
        what = f"component {part.name}: {part.unit} is {state.activity}"
        rows.append({"ok": look.facts.serves(part), "what": what})
    return [*rows, *told(spec, look.cases)]


def told(spec: AppSpec, results: Sequence[CaseResult]) -> list[dict[str, Any]]:
    """A row for each case: what came of it, or that it is not sent because it is not safe."""
    sent = {result.name for result in results}
    rows = [{"ok": True, "what": each} for each in repeated(spec)]
    rows += [
        {"ok": one.passed, "what": f"case {one.name}: {one.why or f'{one.status}, as expected'}"}
        for one in results
    ]
    return rows + [
        {"ok": True, "what": f"case {case.name}: not sent, it is not safe or needs one that is not"}
        for case in spec.cases
        if case.name not in sent
    ]
