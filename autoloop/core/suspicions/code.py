"""Code that was changed by hand since it was last proved good."""

import re

from autoloop.core.app import AppSpec, Component
from autoloop.core.diagnosis import Evidence
from autoloop.core.facts import Drift, Facts
from autoloop.core.probe import Finding
from autoloop.core.suspicions.seen import in_code, only_wrong, runs_code, same_content, suffers

_RAISED = re.compile(
    r"^(?:.*[\s:])?((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Exit))\b:? ?(.*)$", re.M
)
_FRAME = re.compile(r'File "([^"]+)", line (\d+)')
SLIPS = frozenset(
    (
        "AssertionError",
        "AttributeError",
        "ImportError",
        "IndentationError",
        "IndexError",
        "ModuleNotFoundError",
        "NameError",
        "RecursionError",
        "SyntaxError",
        "TabError",
        "TypeError",
        "UnboundLocalError",
        "ZeroDivisionError",
    )
)
"""Exceptions that speak of the code itself; others as often speak of what it works with."""

NAMES = {
    "SyntaxError": "CODE.syntax_error",
    "IndentationError": "CODE.syntax_error",
    "TabError": "CODE.syntax_error",
    "ModuleNotFoundError": "CODE.import_error",
    "ImportError": "CODE.import_error",
    "AssertionError": "CODE.logic_error",
    "UnicodeDecodeError": "CODE.encoding_error",
    "UnicodeEncodeError": "CODE.encoding_error",
}


def changed_code(spec: AppSpec, facts: Facts) -> tuple[Drift, ...]:
    """Files of the code whose content is not as it was when all was well."""
    return tuple(d for d in facts.drift if in_code(spec, d.path) and not same_content(d))


def code_changed(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """The code differs from the last good state, and the component that runs it is in trouble.

    The class is that of the last exception in its log; the culprit the changed file that the log
    names last. Where every case gets an answer, and some a wrong one, it is the logic.
    """
    changed = changed_code(spec, facts) if runs_code(spec, part) else ()
    if not changed or not suffers(spec, facts, part):
        return None
    wrong = only_wrong(facts)
    log = "" if wrong else facts.of(part).log  # what it says is of another time
    raised = _RAISED.findall(log)
    kind, words = raised[-1] if raised else ("", "")
    culprit, named = _culprit(spec, changed, log)
    return Finding(
        verdict="confirms",
        name="CODE.logic_error" if wrong else _name(kind),
        component=part.name,
        culprit=culprit,
        likelihood=0.95 if named and raised else 0.75,
        depth=27,
        evidence=(
            *(Evidence(source=d.path, excerpt=_how(d)) for d in changed[:5]),
            Evidence(source=f"log of {part.unit}", excerpt=f"{kind}: {words}" if kind else ""),
            *(Evidence(source=f"case {c.name}", excerpt=c.why) for c in facts.failing[:3] if wrong),
        ),
    )


def code_raises(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """The code is as it was when all was well, and yet it raises: it may have been wrong before.

    Goes behind whatever else is found, unless it keeps the service from starting that a module is
    missing. The culprit is the file of the code that the newest traceback of its log is in.
    """
    failed = not facts.serves(part) or any(case.status >= 500 for case in facts.failing)
    if not runs_code(spec, part) or changed_code(spec, facts) or not failed:
        return None
    log = facts.of(part).log
    frames = [(path, line) for path, line in _FRAME.findall(log) if in_code(spec, path)]
    raised = _RAISED.findall(log)
    if not frames or not raised or spec.code is None:
        return None
    (path, line), (kind, words) = frames[-1], raised[-1]
    if kind.rpartition(".")[2] not in SLIPS:
        return None
    stuck = facts.of(part).service.activity in ("failed", "starting")
    missing = stuck and kind.endswith("ModuleNotFoundError")
    return Finding(
        verdict="confirms",
        name=_name(kind),
        component=part.name,
        culprit=f"{path.removeprefix(f'{spec.code.path}/')}:{line}",
        likelihood=0.8 if missing else 0.5,
        depth=22 if missing else 8,
        evidence=(Evidence(source=f"log of {part.unit}", excerpt=f"{kind}: {words}"),),
    )


def _name(kind: str) -> str:
    return NAMES.get(kind.rpartition(".")[2], "CODE.runtime_error")


def _culprit(spec: AppSpec, changed: tuple[Drift, ...], log: str) -> tuple[str, bool]:
    """The changed file that the newest frame of the log is in, with its line; else the first."""
    root = f"{spec.code.path}/" if spec.code else ""
    paths = {d.path for d in changed}
    for path, line in reversed(_FRAME.findall(log)):
        if path in paths:
            return f"{path.removeprefix(root)}:{line}", True
    modules = {
        path.removeprefix(root).removesuffix(".py").replace("/", "."): path for path in paths
    }
    for module, path in modules.items():
        if f"'{module}'" in log:
            return path.removeprefix(root), True
    return changed[0].path.removeprefix(root), False


def _how(drift: Drift) -> str:
    if drift.now.kind == "absent":
        return "is gone since the last good state"
    return "is new" if drift.good.kind == "absent" else "differs from the last good state"
