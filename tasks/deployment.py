"""Deployments: put in place by the journal, activated, proved, kept or put back."""

import time
from collections.abc import Sequence

from autoloop.core.app import Component
from autoloop.core.deployment import (
    Back,
    Comparison,
    Deployment,
    Extra,
    Placed,
    Ran,
    packages_changed,
    writers,
)
from autoloop.core.errors import AutoloopError, DeadlineExceeded, OperationFailed
from autoloop.core.facts import check_read, said_by
from autoloop.core.proof import Check, Proof, proof_of
from autoloop.core.putting_back import restart_commands
from autoloop.core.target import (
    ChangeFiles,
    Done,
    FileChange,
    FileState,
    Read,
    RunCommand,
    RunGuarded,
)
from autoloop.core.words import Frozen
from autoloop.core.work import Work
from tasks.backup import Backup, backup_action
from tasks.correction import contents_of_corrections
from tasks.declared import as_declared, expectations, in_step
from tasks.look import look_at, look_until_well
from tasks.source import read_tree
from tasks.step import step
from tasks.target import session_of, spec_of, writing

SAVING_S = 600.0
"""How long saving and putting back folders and databases may take, besides what is run."""


class Abandoned(Frozen):
    """Why a deployment could not be ended, and whether all is as before on the host."""

    why: str
    as_before: bool


@step(timeout_s=7200)
def place(work: Work, comparison: Comparison, backup: Backup) -> Placed:
    """Send what the host lacks, change all files or none; then packages and databases, in step;
    restart what serves them."""
    session = session_of(work)
    assert backup.app == comparison.app
    _send(work, comparison)
    ran: list[Ran] = []
    try:
        changes = _while_stopped(work, comparison) if comparison.stop_first else comparison.changes
        wake = restart_commands(_served(work, comparison))
        session.do(work.op("files"), ChangeFiles(changes=changes, wake=wake))
        down = [_run_extra(work, comparison, extra, ran) for extra in comparison.extras]
        for part in _served(work, comparison, ran):
            started(restart(work, "restart", part), part)
    except (OperationFailed, DeadlineExceeded) as error:
        return Placed(failed=str(error), ran=tuple(ran))
    now = _host_time(work)
    stood = now - min((began for began in down if began), default=now)
    return Placed(ran=tuple(ran), down_s=round(stood, 3), up_at=now)


def _send(work: Work, comparison: Comparison) -> None:
    """The contents that the host lacks; those of a backup are there."""
    if comparison.backup:
        return
    contents: dict[str, bytes] = {}
    if comparison.source:
        _, contents = read_tree(comparison.source, spec_of(work).not_code())
    wanted = {change.after.sha256 for change in comparison.changes}
    contents |= contents_of_corrections(work, comparison)
    session_of(work).send({sha: data for sha, data in contents.items() if sha in wanted})


def _while_stopped(work: Work, comparison: Comparison) -> tuple[FileChange, ...]:
    """A database changes until its writer has stopped: then look again at what is there."""
    session = session_of(work)
    for part in reversed(spec_of(work).affected(comparison.paths)):
        session.do(work.op(f"stop/{part.name}"), part.service().stop(part.unit))
    reads = [Read(op="stat", args={"path": path}) for path in comparison.paths]
    answers = session.observe(reads, 120)
    return tuple(
        change.model_copy(update={"before": FileState.model_validate(answer.value)})
        for change, answer in zip(comparison.changes, answers, strict=True)
    )


def _served(work: Work, comparison: Comparison, ran: Sequence[Ran] = ()) -> tuple[Component, ...]:
    """The components that must be restarted: what serves changed files, packages, databases."""
    spec = spec_of(work)
    parts = spec.affected(comparison.paths)
    if not ran:
        return parts
    names = {part.name for part in (*parts, *writers(spec))}
    return tuple(part for part in spec.deepest_first() if part.name in names)


def _run_extra(work: Work, comparison: Comparison, extra: Extra, ran: list[Ran]) -> float:
    """Run it if it is needed; when services began to stand still for it, by the host's clock."""
    session, needed = session_of(work), extra.name
    begun = session.outcome(work.op(extra.step)).outcome != "not done"
    if extra.kind == "data" and not begun:
        needed = _said(work, extra.name)
    elif extra.kind == "rows" and not begun:
        needed = next(said for one, said in expectations(work) if one.query == extra.name)
    if not needed:
        return 0.0
    action = _guarded(work, comparison, extra)
    longest = sum(command.timeout_s for command in (*action.run, *action.stop)) + SAVING_S
    done = session.do(work.op(extra.step), action, longest)
    changed = packages_changed(done.value["folders"]) if extra.kind == "packages" else (needed,)
    ran.append(Ran(kind=extra.kind, name=extra.name, changed=changed))
    return float(done.value["began"]) if extra.stands else 0.0


def _said(work: Work, name: str) -> str:
    """What the check of a procedure says is missing now; "" when nothing is.

    Raises:
        OperationFailed: it cannot tell, so nobody knows whether the code fits the data.
    """
    procedure = spec_of(work).procedure(name)
    answer = session_of(work).observe([check_read(procedure)], 60)[0]
    said = said_by(procedure, answer)
    if said is None:
        words = answer.error or str(answer.value["err"] or answer.value["out"]).strip()[-300:]
        what = f"cannot tell whether it is needed: {words}"
        raise OperationFailed(f"check of procedure {name}", what, "run it on the host")
    return said


def _guarded(work: Work, comparison: Comparison, extra: Extra) -> RunGuarded:
    spec = spec_of(work)
    served = restart_commands(_served(work, comparison, [Ran(kind=extra.kind, name=extra.name)]))
    common = {"app": spec.name, "wake": served, "part_of": work.op("files")}
    if extra.kind == "packages":
        run = (RunCommand(argv=extra.argv, timeout_s=spec.deploy.install_s),)
        return RunGuarded(run=run, trees=extra.saved, **common)
    stop = tuple(part.service().stop(part.unit) for part in writers(spec))
    if extra.kind == "rows":
        run = (RunCommand(argv=extra.argv, timeout_s=60),)
        return RunGuarded(run=run, sqlite=extra.saved, stop=stop, **common)
    one = spec.procedure(extra.name)
    undo = (RunCommand(argv=one.undo, timeout_s=one.timeout_s),) if one.undo else ()
    return RunGuarded(
        run=(RunCommand(argv=extra.argv, timeout_s=one.timeout_s),),
        sqlite=extra.saved,
        stop=stop,
        undo=undo,
        **common,
    )


def _host_time(work: Work) -> float:
    answer = session_of(work).observe([Read(op="facts")])[0]
    return float(answer.value["time"])


def restart(work: Work, why: str, part: Component) -> Done:
    """Restart a component, also when its manager has given up on it after failed starts."""
    session, manager = session_of(work), part.service()
    clear = manager.clear(part.unit)
    if clear is not None:
        session.do(work.op(f"{why}-clear/{part.name}"), clear)
    return session.do(work.op(f"{why}/{part.name}"), manager.restart(part.unit))


def started(done: Done, part: Component) -> None:
    """Refuse a component that did not start.

    Raises:
        OperationFailed: with what its manager said.
    """
    if done.outcome == "failed":
        said = str(done.value.get("err"))[-300:]
        raise OperationFailed(part.unit, f"does not start: {said}", "see its log")


@step()
def prove_deployment(work: Work, comparison: Comparison, placed: Placed) -> Proof:
    """Every case, every component, over the holding window."""
    if placed.failed:
        return Proof(checks=(Check(name="place", passed=False, why=placed.failed),), at=time.time())
    spec, session = spec_of(work), session_of(work)
    look = look_until_well(spec, session, spec.health.ready_s, lambda seen: seen.usable)
    at, end = time.time(), time.monotonic() + spec.health.hold_s
    while look.usable and time.monotonic() < end:
        time.sleep(min(1.0, spec.health.hold_s / 3))
        look = look_at(spec, session)
    checks = proof_of(spec, None, None, look.diagnosis, look.cases, {})
    more = (*in_step(work, placed), *as_declared(work, comparison))
    return Proof(checks=(*checks, *more), held_s=spec.health.hold_s, at=at)


@step(timeout_s=3600)
def settle_deployment(
    work: Work, comparison: Comparison, placed: Placed, proof: Proof, backup: Backup
) -> Deployment:
    """Keep it and remember it as good, or put every file back, restart, and check that."""
    session, spec = session_of(work), spec_of(work)
    ended = Deployment(
        app=spec.name,
        release=comparison.release,
        backup=backup.id,
        new=comparison.count("new"),
        modified=comparison.count("modified"),
        deleted=comparison.count("deleted"),
        kept=proof.holds,
        proof=proof,
        why=proof.complaint,
        ran=placed.ran,
        down_s=placed.down_s,
    )
    if proof.holds:
        for name in ("files", *(extra.step for extra in comparison.extras)):
            session.commit(work.op(name))
        session.do(work.op("good"), backup_action(spec, f"{work.id}: deployed", good=True))
        return ended
    back = _put_back(work, comparison, placed)
    look = look_until_well(spec, session, spec.health.ready_s, lambda seen: seen.usable)
    if not look.usable:
        what = f"rolled back, but {look.diagnosis.top.name} remains"
        raise OperationFailed(f"deployment {work.id}", what, f"autoloop fix --app {spec.name}")
    return ended.model_copy(update={"back": back})


def _put_back(work: Work, comparison: Comparison, placed: Placed) -> Back:
    """Databases, packages and files as they were, the latest first; what serves them restarts."""
    session, back, touched = session_of(work), Back(), comparison.stop_first
    for extra in reversed(comparison.extras):
        done = session.revert(work.op(extra.step), SAVING_S)
        touched |= done.outcome != "not done"
        if left := str(done.value.get("left", "")):
            lost_s = float(done.value["stopped"]) - placed.up_at if placed.up_at else 0.0
            back = Back(left=left, lost_s=round(lost_s, 3))
    if comparison.stop_first:
        for part in reversed(spec_of(work).affected(comparison.paths)):
            session.do(work.op(f"undo-stop/{part.name}"), part.service().stop(part.unit))
    touched |= session.revert(work.op("files")).outcome != "not done"
    if touched:
        ran = [Ran(kind=extra.kind, name=extra.name) for extra in comparison.extras]
        for part in _served(work, comparison, ran):
            restart(work, "undo", part)
    return back


@step(timeout_s=3600)
def abandon(work: Work, comparison: Comparison, error: str) -> Abandoned:
    """Put back what is not proved, as far as the target lets us; say what is so on the host."""
    try:
        with writing(work):
            if session_of(work).outcome(work.op("good")).outcome == "done":
                return Abandoned(why=error, as_before=False)
            _put_back(work, comparison, Placed())
            look = look_until_well(spec_of(work), session_of(work), spec_of(work).health.ready_s)
    except AutoloopError as another:
        why = error if str(another) == error else f"{error}; putting back failed too: {another}"
        return Abandoned(why=why, as_before=False)
    return Abandoned(why=error, as_before=look.well)
