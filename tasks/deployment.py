"""Deployments: compared, put in place by the journal, activated, proved, kept or put back."""

import time
from typing import Any

from autoloop.core.app import Component
from autoloop.core.deployment import (
    Comparison,
    Deployment,
    Placed,
    changes_back,
    states_before,
)
from autoloop.core.errors import (
    AutoloopError,
    BadSpec,
    DeadlineExceeded,
    NotFound,
    OperationFailed,
)
from autoloop.core.manifest import changes_between, release_id
from autoloop.core.proof import Check, Proof, proof_of
from autoloop.core.target import ChangeFiles, Done, FileChange, FileState, Read
from autoloop.core.words import Frozen
from autoloop.core.work import Work
from tasks.backup import Backup, backup_action
from tasks.look import look_at, look_until_well
from tasks.source import read_tree
from tasks.step import step
from tasks.target import session_of, spec_of, writing


class Abandoned(Frozen):
    """Why a deployment could not be ended, and whether all is as before on the host."""

    why: str
    as_before: bool


@step()
def compare(work: Work, source: str) -> Comparison:
    """Hold the source against the host; only what differs will travel."""
    spec = spec_of(work)
    if spec.code is None:
        raise BadSpec(f"app {spec.name}", "has no [code] in its file", "add code.path")
    manifest, _ = read_tree(source, spec.code.exclude)
    read = Read(op="tree", args={"path": spec.code.path, "exclude": list(spec.code.exclude)})
    answer = session_of(work).observe([read], 120)[0]
    now = {path: FileState.model_validate(state) for path, state in answer.value.items()}
    if spec.code.path not in now:
        raise NotFound(spec.code.path, "does not exist on the host", "create the application first")
    changes = changes_between(spec.code.path, manifest, now)
    return Comparison(app=spec.name, source=source, release=release_id(manifest), changes=changes)


@step()
def compare_backup(work: Work, to: str, with_config: bool, with_data: bool) -> Comparison:
    """Hold a backup against the host; without an id, the state before the last deployment."""
    session, spec = session_of(work), spec_of(work)
    drift = _drift(work, to) if to else _drift_from_before(work)
    args = {"app": spec.name, "backup": drift["backup"]}
    check = session.observe([Read(op="verify_backup", args=args)], 300)[0]
    if not check.ok or check.value["broken"]:
        what = check.error or "its contents are damaged: " + ", ".join(check.value["broken"][:3])
        raise NotFound(
            f"backup {drift['backup']}", what, "choose another: autoloop rollback --list"
        )
    changes = changes_back(spec, drift, with_config)
    if with_data:
        changes += tuple(_database_changes(work, drift["sqlite"]))
    return Comparison(
        app=spec.name,
        source=f"backup {drift['backup']}",
        release=drift["backup"],
        changes=changes,
        backup=drift["backup"],
        stop_first=with_data,
    )


def _drift(work: Work, backup: str) -> dict[str, Any]:
    """How the host differs from *backup*.

    Raises:
        NotFound: there is no such backup.
    """
    args = {"app": work.app, "backup": backup}
    answer = session_of(work).observe([Read(op="drift", args=args)], 300)[0]
    if not answer.ok:
        raise NotFound(f"backup {backup}", answer.error, "autoloop rollback --list")
    found: dict[str, Any] = answer.value
    return found


def _drift_from_before(work: Work) -> dict[str, Any]:
    """From the newest state before a deployment whose code is not what is there now.

    A deployment that was put back, or gone back from already, has left no other code.
    """
    spec = spec_of(work)
    answer = session_of(work).observe([Read(op="backups", args={"app": spec.name})], 60)[0]
    for backup in states_before(answer.value if answer.ok else ()):
        drift = _drift(work, backup)
        if changes_back(spec, drift, with_config=False):
            return drift
    what = "no backup of a deployment holds other code than what is there"
    raise NotFound(f"app {spec.name}", what, "choose a state: autoloop rollback --list")


def _database_changes(work: Work, databases: dict[str, dict[str, object]]) -> list[FileChange]:
    """The database file, and its companions gone: they belong to the newer content."""
    paths = [p for path in databases for p in (path, f"{path}-wal", f"{path}-shm")]
    answers = session_of(work).observe([Read(op="stat", args={"path": p}) for p in paths], 120)
    states = {p: FileState.model_validate(a.value) for p, a in zip(paths, answers, strict=True)}
    changes = []
    for path, saved in databases.items():
        after = FileState.model_validate(saved["state"])
        changes.append(FileChange(path=path, before=states[path], after=after))
        for companion in (f"{path}-wal", f"{path}-shm"):
            if states[companion].kind != "absent":
                changes.append(
                    FileChange(path=companion, before=states[companion], after=FileState())
                )
    return changes


@step()
def place(work: Work, comparison: Comparison, backup: Backup) -> Placed:
    """Send what the host lacks, change all files or none, restart what serves them."""
    session, spec = session_of(work), spec_of(work)
    assert backup.app == comparison.app
    if not comparison.backup:
        _, contents = read_tree(comparison.source, spec.code.exclude if spec.code else ())
        wanted = {change.after.sha256 for change in comparison.changes}
        session.send({sha: data for sha, data in contents.items() if sha in wanted})
    operations = [work.op("files")]
    changes = comparison.changes
    parts = spec.affected(comparison.paths)
    if comparison.stop_first:
        for part in reversed(parts):
            session.do(work.op(f"stop/{part.name}"), part.service().stop(part.unit))
        changes = _seen_again(work, changes)
    try:
        session.do(operations[0], ChangeFiles(changes=changes))
        for part in parts:
            done = _restart(work, "restart", part)
            if done.outcome == "failed":
                said = str(done.value.get("err"))[-300:]
                return Placed(operations=tuple(operations), failed=f"{part.unit}: {said}")
    except (OperationFailed, DeadlineExceeded) as error:
        return Placed(operations=tuple(operations), failed=str(error))
    return Placed(operations=tuple(operations))


def _restart(work: Work, why: str, part: Component) -> Done:
    """Restart a component, also when its manager has given up on it after failed starts."""
    session, manager = session_of(work), part.service()
    clear = manager.clear(part.unit)
    if clear is not None:
        session.do(work.op(f"{why}-clear/{part.name}"), clear)
    return session.do(work.op(f"{why}/{part.name}"), manager.restart(part.unit))


def _seen_again(work: Work, changes: tuple[FileChange, ...]) -> tuple[FileChange, ...]:
    """A database changes until its writer has stopped: look again at what is there now."""
    reads = [Read(op="stat", args={"path": change.path}) for change in changes]
    answers = session_of(work).observe(reads, 120)
    return tuple(
        change.model_copy(update={"before": FileState.model_validate(answer.value)})
        for change, answer in zip(changes, answers, strict=True)
    )


@step()
def prove_deployment(work: Work, comparison: Comparison, placed: Placed) -> Proof:
    """Every case, every component, over the holding window."""
    if placed.failed:
        return Proof(checks=(Check(name="place", passed=False, why=placed.failed),), at=time.time())
    spec, session = spec_of(work), session_of(work)
    look = look_until_well(spec, session, spec.health.ready_s)
    at, end = time.time(), time.monotonic() + spec.health.hold_s
    while look.well and time.monotonic() < end:
        time.sleep(min(1.0, spec.health.hold_s / 3))
        look = look_at(spec, session)
    return Proof(
        checks=proof_of(spec, None, None, look.diagnosis, look.cases, {}),
        held_s=spec.health.hold_s,
        at=at,
    )


@step()
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
    )
    if proof.holds:
        session.commit(work.op("files"))
        session.do(work.op("good"), backup_action(spec, f"{work.id}: deployed", good=True))
        return ended
    _put_back(work, comparison)
    look = look_until_well(spec, session, spec.health.ready_s)
    if not look.well:
        what = f"rolled back, but {look.diagnosis.top.name} remains"
        raise OperationFailed(f"deployment {work.id}", what, f"autoloop fix --app {spec.name}")
    return ended


def _put_back(work: Work, comparison: Comparison) -> None:
    """Every file as it was; what serves them is restarted."""
    session, spec = session_of(work), spec_of(work)
    if session.revert(work.op("files")).outcome == "not done":
        return
    for part in spec.affected(comparison.paths):
        _restart(work, "undo", part)


@step()
def abandon(work: Work, comparison: Comparison, error: str) -> Abandoned:
    """Put back what is not proved, as far as the target lets us; say what is so on the host."""
    try:
        with writing(work):
            if session_of(work).outcome(work.op("good")).outcome == "done":
                return Abandoned(why=error, as_before=False)
            _put_back(work, comparison)
            look = look_until_well(spec_of(work), session_of(work), spec_of(work).health.ready_s)
    except AutoloopError as another:
        why = error if str(another) == error else f"{error}; putting back failed too: {another}"
        return Abandoned(why=why, as_before=False)
    return Abandoned(why=error, as_before=look.well)
