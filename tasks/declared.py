"""What an application declares of its code, configuration and data, held against the host."""

from autoloop.core.deployment import Comparison, Placed
from autoloop.core.expected import Expected, found_in, reads_of
from autoloop.core.facts import check_read, said_by
from autoloop.core.proof import Check
from autoloop.core.rules import LARGEST, broken, wanted
from autoloop.core.target import Read
from autoloop.core.work import Work
from tasks.target import session_of, spec_of


def in_step(work: Work, placed: Placed) -> tuple[Check, ...]:
    """What was run has done it: its check, or that of the packages, finds nothing more to do."""
    spec = spec_of(work)
    names = {ran.name for ran in placed.ran if ran.kind == "data"}
    if any(ran.kind == "packages" for ran in placed.ran):
        names |= {one.name for one in spec.procedures if "CODE.import_error" in one.cures}
    asked = [one for one in spec.procedures if one.name in names]
    answers = session_of(work).observe([check_read(one) for one in asked], 60) if asked else ()
    return tuple(
        Check(
            name=f"procedure {one.name} has nothing to do",
            passed=said_by(one, answer) == "",
            why=said_by(one, answer) or "its check cannot tell",
        )
        for one, answer in zip(asked, answers, strict=True)
    )


def as_declared(work: Work, comparison: Comparison) -> tuple[Check, ...]:
    """The rules and expected values, on the host as it is now. Going back is not held up by them:
    the code before may be older than a rule."""
    if comparison.backup:
        return ()
    checks = [
        Check(name=f"value of {one.name}", passed=not said, why=said)
        for one, said in expectations(work)
    ]
    if spec_of(work).deploy.rules:
        told = broken_on_host(work)
        checks.append(Check(name="rules of the code", passed=not told, why="; ".join(told[:3])))
    return tuple(checks)


def expectations(work: Work) -> list[tuple[Expected, str]]:
    """Each expected value with what is wrong with it; "" when it is so."""
    spec, session = spec_of(work), session_of(work)
    names = {one.component for one in spec.deploy.expect if one.component}
    parts = [part for part in spec.components if part.name in names]
    states = session.observe([part.service().state(part.unit) for part in parts]) if parts else ()
    pids = {
        part.name: part.service().parse(answer).pid
        for part, answer in zip(parts, states, strict=True)
    }
    asked = spec.deploy.expect
    answers = session.observe(reads_of(asked, pids), 60) if asked else ()
    return [(e, e.says(found_in(e, a))) for e, a in zip(asked, answers, strict=True)]


def broken_on_host(work: Work) -> tuple[str, ...]:
    """The rules held against the code that is on the host."""
    spec, session = spec_of(work), session_of(work)
    assert spec.code is not None
    args = {"path": spec.code.path, "exclude": list(spec.not_code())}
    states = session.observe([Read(op="tree", args=args)], 120)[0].value
    start = len(spec.code.path) + 1
    names = (path[start:] for path, state in states.items() if state["kind"] == "file")
    paths = wanted(spec.deploy.rules, names)
    reads = [
        Read(op="file", args={"path": f"{spec.code.path}/{path}", "limit": LARGEST + 1})
        for path in paths
    ]
    answers = session.observe(reads, 120) if reads else ()
    files = {
        path: str(answer.value["text"]).encode()
        for path, answer in zip(paths, answers, strict=True)
        if answer.ok
    }
    return broken(spec.deploy.rules, files)
