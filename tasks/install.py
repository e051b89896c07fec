"""The first deployment: account, folders, code, settings, environment, data, unit and site.

Each part is an operation of the journal, so what a run leaves that never comes back is taken away
by the next one that works on the host.
"""

import hashlib
import posixpath
from collections.abc import Iterable

from autoloop.core.app import AppSpec, Component
from autoloop.core.deployment import Comparison, Deployment, Extra, Placed
from autoloop.core.errors import (
    AutoloopError,
    BadRequest,
    BadSpec,
    DeadlineExceeded,
    HostNotReady,
    OperationFailed,
)
from autoloop.core.expected import LARGEST
from autoloop.core.install import InstallSpec
from autoloop.core.manifest import Manifest, changes_between, release_id
from autoloop.core.proof import Proof
from autoloop.core.target import (
    ChangeFiles,
    Done,
    FileChange,
    FileState,
    Read,
    RunCommand,
    RunGuarded,
)
from autoloop.core.vacancy import (
    looks,
    made_places,
    missing_settings,
    obstacles,
    own_units,
    there_before,
)
from autoloop.core.words import Frozen
from autoloop.core.work import Work
from tasks.backup import backup_action
from tasks.comparison import breaches
from tasks.correction import wished
from tasks.deployment import SAVING_S, Abandoned, restart, started
from tasks.source import read_tree
from tasks.step import step
from tasks.target import session_of, spec_of, writing

FILE = "file"
"""The key of the block under which the whole settings file stands."""

ACCOUNT = -1
"""Stands in a plan for the number of the account that is not made yet."""

PRIVATE = 0o640
"""The mode of a settings file that a person gives."""

OPS = ("account", "files", "made", "units")
"""The operations, in the order in which they are done; they are taken back from the end."""

UNDO_ACCOUNT = (
    "import pwd, subprocess, sys; name, mark = sys.argv[1:]; "
    "found = [p for p in pwd.getpwall() if (p.pw_name, p.pw_gecos) == (name, mark)]; "
    "sys.exit(subprocess.call(['userdel', name]) if found else 0)"
)
"""Removes an account that bears this run's mark, and no other of that name."""


class InstallPlan(Frozen):
    """What a first deployment would do. `ACCOUNT` owns what belongs to the application."""

    app: str
    source: str
    release: str
    changes: tuple[FileChange, ...]
    commands: tuple[tuple[str, ...], ...]
    procedures: tuple[Extra, ...] = ()
    broken: tuple[str, ...] = ()

    @property
    def comparison(self) -> Comparison:
        """The same as a deployment."""
        return Comparison(
            app=self.app,
            source=self.source,
            release=self.release,
            changes=self.changes,
            extras=self.procedures,
            broken=self.broken,
        )


@step()
def plan_install(work: Work, source: str, settings: str) -> InstallPlan:
    """Look at the host: nothing of the application, or in its way, may be there; all that it needs
    must be.

    Raises:
        BadSpec: its file says nothing of a first deployment.
        BadRequest: the source or the settings lack something that only a person can give.
        HostNotReady: names all that is in the way, and all that is missing.
    """
    spec, wanted = spec_of(work), _install_of(work)
    assert spec.code is not None
    manifest, contents = read_tree(source, spec.not_code())
    if spec.deploy.manifest and spec.deploy.manifest not in manifest:
        what = f"has no {spec.deploy.manifest}, which deploy.manifest names"
        raise BadRequest(f"source '{source}'", what, "name the folder to deploy")
    states = _states(work, settings)
    _refuse_settings_in_code(manifest, states)
    code = changes_between(spec.code.path, manifest, {spec.code.path: _folder(ACCOUNT)})
    now = _looked(work, states, code)
    there = tuple(
        FileChange(path=path, before=now[path], after=state)
        for path, state in sorted(states.items())
        if now[path] != state
    )
    above = sorted(path for path, state in now.items() if path not in states)
    folders = tuple(
        FileChange(path=path, before=now[path], after=_folder(0))
        for path in above
        if now[path].kind == "absent"
    )
    return InstallPlan(
        app=spec.name,
        source=source,
        release=release_id(manifest),
        changes=(*folders, *there, *code),
        commands=tuple(
            c.argv for c in (_useradd(work), *_commands(spec, wanted), *_enabling(spec))
        ),
        procedures=_procedures(spec),
        broken=breaches(spec, manifest, contents),
    )


def _refuse_settings_in_code(manifest: Manifest, states: dict[str, FileState]) -> None:
    """Code can be read by everybody on the host; secrets must not come with it."""
    private = {state.sha256 for state in states.values() if state.mode == PRIVATE}
    for name, entry in manifest.items():
        if entry.kind == "file" and entry.sha256 in private:
            what = f"'{name}' of the source is that file, and would be brought as code"
            step = "move it out of the source, or add it to code.exclude"
            raise BadRequest("--settings", what, step)


def _install_of(work: Work) -> InstallSpec:
    spec = spec_of(work)
    if spec.install is None:
        what = "says nothing of a first deployment"
        raise BadSpec(f"app {spec.name}", what, "add [install] and [code] to its file")
    return spec.install


def _folder(owner: int) -> FileState:
    return FileState(kind="dir", mode=0o755, uid=owner, gid=owner)


def _states(work: Work, settings: str) -> dict[str, FileState]:
    """What will be there besides the code: folders, settings, unit, site."""
    states = {path: _folder(ACCOUNT) for path in made_places(spec_of(work))}
    for file in _install_of(work).files:
        if file.kind == "file":
            mode = int(file.mode, 8)
            states[file.path] = FileState(kind="file", sha256=_sha(file.content), mode=mode)
        else:
            states[file.path] = FileState(kind=file.kind, link=file.link)
    return states | _settings_state(work, settings)


def _settings_state(work: Work, settings: str) -> dict[str, FileState]:
    """The settings file that a person gives, readable by root and the application's group.

    Raises:
        BadRequest: naming what only a person can give.
    """
    brought = {file.path: file.content for file in _install_of(work).files}
    paths = {part.settings for part in spec_of(work).components if part.settings}
    open_ = sorted(paths - brought.keys())
    if settings and len(open_) != 1:
        what = f"is for one settings file that nothing else brings; there are {open_ or 'none'}"
        raise BadRequest("--settings", what, "see settings of components and install.files")
    path = open_[0] if len(open_) == 1 else ""
    given = wished(settings)[FILE] if settings else _laid_there(work, path)
    text = "\n".join([given, *(brought[one] for one in sorted(paths & brought.keys()))])
    if lacking := missing_settings(spec_of(work), path, text):
        what = f"{path or 'a settings file'} lacks: {', '.join(lacking)}"
        raise BadRequest("--settings", what, "only a person can give that: put it into the file")
    state = FileState(kind="file", sha256=_sha(given), mode=PRIVATE, gid=ACCOUNT)
    return {path: state} if settings else {}


def _laid_there(work: Work, path: str) -> str:
    """The settings file that a person has laid on the host before; it stays theirs."""
    read = Read(op="file", args={"path": path, "limit": LARGEST})
    answer = session_of(work).observe([read])[0] if path else None
    return str(answer.value["text"]) if answer and answer.ok else ""


def _looked(
    work: Work, states: dict[str, FileState], code: Iterable[FileChange]
) -> dict[str, FileState]:
    """What is at each path now, and at the folders above.

    Raises:
        HostNotReady: the host cannot take the application.
    """
    spec, session = spec_of(work), session_of(work)
    paths = sorted({*states, *(parent for path in states for parent in _parents(path))})
    asked = looks(spec, (*states, *(change.path for change in code)))
    stats = [Read(op="stat", args={"path": path}) for path in paths]
    answers = session.observe([*stats, *asked.values()], 120)
    now: dict[str, FileState] = {}
    for path, answer in zip(paths, answers, strict=False):
        if not answer.ok:
            raise HostNotReady(path, answer.error, "move it away")
        now[path] = FileState.model_validate(answer.value)
    said = dict(zip(asked, answers[len(paths) :], strict=True))
    if found := obstacles(spec, {path: now[path] for path in states}, said):
        more = f"; and {len(found) - 8} more" if len(found) > 8 else ""
        what = f"{'; '.join(found[:8])}{more}; nothing was changed"
        step = "put that right; an application that is there already: autoloop register"
        raise HostNotReady(f"host of {spec.name}", what, step)
    return now


def _parents(path: str) -> list[str]:
    found = []
    while (path := posixpath.dirname(path)) != "/":
        found.append(path)
    return found


def _mark(work: Work) -> str:
    return f"made by autoloop {work.id}"


def _useradd(work: Work) -> RunCommand:
    spec, wanted = spec_of(work), _install_of(work)
    home = posixpath.dirname(spec.code.path) if spec.code else "/"
    options = ("--system", "--user-group", "--home-dir", home, "--shell", "/usr/sbin/nologin")
    return RunCommand(argv=("useradd", *options, "--comment", _mark(work), wanted.user))


def _commands(spec: AppSpec, wanted: InstallSpec) -> list[RunCommand]:
    """The environment, its packages, then the data, by the procedures of the application."""
    commands, place = [], spec.deploy.environment
    if place:
        venv = ("runuser", "-u", wanted.user, "--", wanted.python, "-m", "venv", place)
        commands = [RunCommand(argv=venv, timeout_s=120)]
        commands.append(RunCommand(argv=spec.deploy.install, timeout_s=spec.deploy.install_s))
    for name in spec.deploy.procedures:
        one = spec.procedure(name)
        commands.append(RunCommand(argv=one.apply, timeout_s=one.timeout_s))
    return commands


def _procedures(spec: AppSpec) -> tuple[Extra, ...]:
    """The procedures, whose risk may need a person."""
    names = spec.deploy.procedures
    return tuple(Extra(kind="data", name=n, argv=spec.procedure(n).apply) for n in names)


def _enabling(spec: AppSpec) -> tuple[RunCommand, ...]:
    """Units are enabled; those that are no component, as timers, are started too."""
    enabled = spec.install.enable if spec.install else ()
    parts = {part.unit for part in spec.components}
    return (
        RunCommand(argv=("systemctl", "daemon-reload")),
        *(RunCommand(argv=("systemctl", "enable", unit)) for unit in enabled),
        *(RunCommand(argv=("systemctl", "start", u)) for u in enabled if u not in parts),
    )


def _disabling(spec: AppSpec) -> tuple[RunCommand, ...]:
    """Exit codes 1 and 5: there is no such unit any more."""
    gone: list[RunCommand] = []
    for unit in own_units(spec):
        gone += [
            RunCommand(argv=("systemctl", "stop", unit), ok_codes=(0, 1, 5), timeout_s=100),
            RunCommand(argv=("systemctl", "disable", unit), ok_codes=(0, 1, 5)),
            RunCommand(argv=("systemctl", "reset-failed", unit), ok_codes=(0, 1, 5)),
        ]
    return tuple(gone)


def _contents(work: Work, source: str, settings: str) -> dict[str, bytes]:
    """All that must travel, by hash; settings may be secret, so it is made when it is needed."""
    spec, wanted = spec_of(work), _install_of(work)
    _, contents = read_tree(source, spec.not_code())
    texts = [file.content for file in wanted.files if file.kind == "file"]
    texts += [wished(settings)[FILE]] if settings else []
    return contents | {_sha(text): text.encode() for text in texts}


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@step(timeout_s=7200)
def place_install(work: Work, plan: InstallPlan, settings: str) -> Placed:
    """Account, files, environment and data; then the units are enabled and all is started."""
    spec = spec_of(work)
    try:
        session_of(work).send(_contents(work, plan.source, settings))
        _make(work, plan)
        for part in spec.deepest_first():
            if part in there_before(spec):
                _told_of_site(work, plan, part)
            else:
                started(restart(work, "restart", part), part)
    except (OperationFailed, DeadlineExceeded) as error:
        return Placed(failed=str(error))
    return Placed()


def _make(work: Work, plan: InstallPlan) -> None:
    """The four operations; together they stay or go, as the files do."""
    session, spec, wanted = session_of(work), spec_of(work), _install_of(work)
    whole = work.op("files")
    undo = ("python3", "-I", "-c", UNDO_ACCOUNT, wanted.user, _mark(work))
    account = RunGuarded(
        app=spec.name,
        run=(_useradd(work),),
        undo=(RunCommand(argv=undo, ok_codes=(0, 6)),),
        part_of=whole,
    )
    session.do(work.op("account"), account)
    changes, wake = _owned(work, plan), _wakes(spec, plan)
    session.do(whole, ChangeFiles(changes=changes, wake=wake), SAVING_S)
    commands = tuple(_commands(spec, wanted))
    made = RunGuarded(app=spec.name, run=commands, trees=made_places(spec), part_of=whole)
    session.do(work.op("made"), made, sum(c.timeout_s for c in commands) + SAVING_S)
    units = RunGuarded(app=spec.name, run=_enabling(spec), undo=_disabling(spec), part_of=whole)
    session.do(work.op("units"), units, SAVING_S)


def _owned(work: Work, plan: InstallPlan) -> tuple[FileChange, ...]:
    """The plan's changes with the numbers of the account."""
    user = _install_of(work).user
    reads = [Read(op="run", args={"argv": ["id", flag, user]}) for flag in ("-u", "-g")]
    uid, gid = (int(answer.value["out"]) for answer in session_of(work).observe(reads))

    def owned(state: FileState) -> FileState:
        numbers = {
            "uid": uid if state.uid == ACCOUNT else state.uid,
            "gid": gid if state.gid == ACCOUNT else state.gid,
        }
        return state.model_copy(update=numbers)

    return tuple(c.model_copy(update={"after": owned(c.after)}) for c in plan.changes)


def _serves(plan: InstallPlan, part: Component) -> bool:
    """Whether a component that was there has a new file among its configuration."""
    return not {change.path for change in plan.changes}.isdisjoint(part.files())


def _wakes(spec: AppSpec, plan: InstallPlan) -> tuple[RunCommand, ...]:
    """By what systemd and the front see that the files are gone again."""
    parts = (part for part in there_before(spec) if _serves(plan, part))
    reload = RunCommand(argv=("systemctl", "daemon-reload"), idempotent=True)
    return (reload, *(_reload(part) for part in parts))


def _reload(part: Component) -> RunCommand:
    """Others may be served by it too: it goes on while it reads its configuration anew."""
    manager = part.service()
    return manager.reload(part.unit) or manager.restart(part.unit)


def _told_of_site(work: Work, plan: InstallPlan, part: Component) -> None:
    """Reload what was there before, once its own test of the new configuration passes."""
    if not _serves(plan, part):
        return
    session = session_of(work)
    if part.config_test:
        read = Read(op="run", args={"argv": list(part.config_test)})
        answer = session.observe([read])[0]
        if not answer.ok or answer.value["code"] != 0:
            said = answer.error or str(answer.value["err"] or answer.value["out"]).strip()[-300:]
            raise OperationFailed(part.unit, f"does not take the configuration: {said}", "mend it")
    done: Done = session.do(work.op(f"reload/{part.name}"), _reload(part))
    if done.outcome == "failed":
        said = str(done.value.get("err"))[-300:]
        raise OperationFailed(part.unit, f"does not reload: {said}", "see its log")


@step(timeout_s=3600)
def settle_install(work: Work, plan: InstallPlan, placed: Placed, proof: Proof) -> Deployment:
    """Keep it and remember it as good, or take everything away again."""
    session, spec, made = session_of(work), spec_of(work), plan.comparison
    backup = ""
    if proof.holds:
        for name in ("files", *OPS):
            session.commit(work.op(name))
        action = backup_action(spec, f"{work.id}: installed", good=True)
        backup = str(session.do(work.op("good"), action).value["id"])
    else:
        _take_away(work, plan)
    return Deployment(
        app=spec.name,
        release=plan.release,
        backup=backup,
        new=made.count("new"),
        modified=made.count("modified"),
        deleted=made.count("deleted"),
        kept=proof.holds,
        proof=proof,
        why=proof.complaint,
    )


def _take_away(work: Work, plan: InstallPlan) -> None:
    """The latest first; then systemd and the front see that it is gone."""
    session = session_of(work)
    for name in reversed(OPS):
        session.revert(work.op(name), SAVING_S)
    for number, command in enumerate(_wakes(spec_of(work), plan)):
        session.do(work.op(f"undo/{number}"), command)


@step(timeout_s=3600)
def abandon_install(work: Work, plan: InstallPlan, error: str) -> Abandoned:
    """Take everything away, as far as the target lets us; say what is so on the host."""
    try:
        with writing(work):
            if session_of(work).outcome(work.op("good")).outcome == "done":
                return Abandoned(why=error, as_before=False)
            _take_away(work, plan)
    except AutoloopError as another:
        why = error if str(another) == error else f"{error}; taking away failed too: {another}"
        return Abandoned(why=why, as_before=False)
    return Abandoned(why=error, as_before=True)
