"""Comparisons: what a deployment, or going back, would change. Nothing is changed here."""

import hashlib
from collections.abc import Mapping
from typing import Any

from autoloop.core.app import SQLITE_ENDS, AppSpec
from autoloop.core.deployment import Comparison, asked_for, changes_back, extras_of, states_before
from autoloop.core.effect import Effect
from autoloop.core.errors import BadRequest, BadSpec, NotFound
from autoloop.core.manifest import Entry, changes_between, is_apart, release_id
from autoloop.core.redact import redact_value
from autoloop.core.rules import broken, wanted
from autoloop.core.settings_file import parse_settings
from autoloop.core.target import FileChange, FileState, Read
from autoloop.core.words import Frozen
from autoloop.core.work import Work
from tasks.correction import (
    corrected,
    declared_values,
    set_in_file,
    settings_file_of,
    wished,
)
from tasks.source import read_tree
from tasks.step import step
from tasks.target import session_of, spec_of


class Wished(Frozen):
    """What a person asks for: settings in a block, of a component, and procedures by name."""

    block: str = ""
    component: str = ""
    procedures: tuple[str, ...] = ()


@step()
def compare(work: Work, source: str) -> Comparison:
    """Hold the source against the host; only what differs will travel."""
    return _compared(work, source)


@step()
def compare_change(work: Work, wish: Wished, source: str) -> Comparison:
    """Hold what a person asks for against the host: settings, procedures, and a source if given."""
    spec = spec_of(work)
    path = settings_file_of(work, wish.component) if wish.block else ""
    base = Comparison(app=spec.name, source="", release="", changes=())
    found = _compared(work, source, but=path) if source else base
    set_, effects = _settings_set(work, path, wish.block) if path else ((), ())
    extras = (*found.extras, *asked_for(spec, wish.procedures))
    if not (found.changes or set_ or extras):
        raise BadRequest("change", "asks for nothing that is not so already", "see --plan")
    return found.model_copy(
        update={
            "changes": (*found.changes, *set_),
            "extras": extras,
            "wish": wish.block,
            "sets": effects,
        }
    )


def _settings_set(
    work: Work, path: str, block: str
) -> tuple[tuple[FileChange, ...], tuple[Effect, ...]]:
    """The change of one settings file, and what it means, without secrets."""
    values = {**declared_values(work).get(path, {}), **wished(block)}
    try:
        now, text, data = set_in_file(work, path, values)
    except ValueError as error:
        raise BadRequest("--set", str(error), "correct it") from None
    before = parse_settings(text)
    effects = tuple(
        Effect(
            kind="setting",
            subject=f"{path}#{key}",
            before=redact_value(key, before[key]) if key in before else None,
            after=redact_value(key, value),
        )
        for key, value in values.items()
        if before.get(key) != value
    )
    after = now.model_copy(update={"sha256": hashlib.sha256(data).hexdigest()})
    change = FileChange(path=path, before=now, after=after)
    return ((change,) if effects else ()), effects


def _compared(work: Work, source: str, but: str = "") -> Comparison:
    """The source against the host; the settings file *but* is somebody else's."""
    spec = spec_of(work)
    if spec.code is None:
        raise BadSpec(f"app {spec.name}", "has no [code] in its file", "add code.path")
    manifest, contents = read_tree(source, spec.not_code())
    read = Read(op="tree", args={"path": spec.code.path, "exclude": list(spec.not_code())})
    answer = session_of(work).observe([read], 120)[0]
    now = {path: FileState.model_validate(state) for path, state in answer.value.items()}
    if spec.code.path not in now:
        raise NotFound(spec.code.path, "does not exist on the host", "create the application first")
    corrections = corrected(work, but)
    found = changes_between(spec.code.path, manifest, now)
    changes = tuple(c for c in found if c.after.kind != "absent" or not is_apart(spec, c.path))
    changes += tuple(c.change for c in corrections if c.change is not None)
    return Comparison(
        app=spec.name,
        source=source,
        release=release_id(manifest),
        changes=changes,
        extras=extras_of(spec, changes),
        broken=(
            *breaches(spec, manifest, contents),
            *(c.wrong for c in corrections if c.change is None),
        ),
    )


def breaches(
    spec: AppSpec, manifest: Mapping[str, Entry], contents: Mapping[str, bytes]
) -> tuple[str, ...]:
    """The rules of the code that a source breaks."""
    files = {
        path: contents[manifest[path].sha256]
        for path in wanted(spec.deploy.rules, manifest)
        if manifest[path].kind == "file"
    }
    return broken(spec.deploy.rules, files)


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
        extras=extras_of(spec, changes, with_data=False),
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
    paths = [f"{path}{ending}" for path in databases for ending in SQLITE_ENDS]
    answers = session_of(work).observe([Read(op="stat", args={"path": p}) for p in paths], 120)
    states = {p: FileState.model_validate(a.value) for p, a in zip(paths, answers, strict=True)}
    wanted = {path: FileState.model_validate(row["state"]) for path, row in databases.items()}
    return [
        FileChange(path=path, before=now, after=wanted.get(path, FileState()))
        for path, now in states.items()
        if path in wanted or now.kind != "absent"
    ]
