"""The first deployment: account, folders, code, settings, environment, data, unit and site."""

import hashlib
import posixpath

from autoloop.core.app import AppSpec
from autoloop.core.deployment import Comparison, Deployment, Placed
from autoloop.core.errors import (
    AutoloopError,
    BadRequest,
    BadSpec,
    DeadlineExceeded,
    OperationFailed,
)
from autoloop.core.install import InstallSpec
from autoloop.core.manifest import changes_between, release_id
from autoloop.core.proof import Proof
from autoloop.core.target import ChangeFiles, FileChange, FileState, Read, RunCommand, RunGuarded
from autoloop.core.words import Frozen
from autoloop.core.work import Work
from tasks.backup import backup_action
from tasks.correction import settings_file_of, wished
from tasks.deployment import SAVING_S, Abandoned, restart, started
from tasks.source import read_tree
from tasks.step import step
from tasks.target import session_of, spec_of, writing

FILE = "file"
"""The key of the block under which the whole settings file stands."""


class InstallPlan(Frozen):
    """What a first deployment would do. Owners are not known before the account is made."""

    app: str
    source: str
    release: str
    changes: tuple[FileChange, ...]
    commands: tuple[tuple[str, ...], ...]
    new_user: bool

    @property
    def comparison(self) -> Comparison:
        """The same as a deployment."""
        return Comparison(
            app=self.app, source=self.source, release=self.release, changes=self.changes
        )


@step()
def plan_install(work: Work, source: str, settings: str) -> InstallPlan:
    """Look at the host: nothing of the application may be there yet."""
    spec, wanted = spec_of(work), _install_of(work)
    assert spec.code is not None
    reads = [
        Read(op="stat", args={"path": spec.code.path}),
        Read(op="run", args={"argv": ["id", "-u", wanted.user]}),
    ]
    code, account = session_of(work).observe(reads)
    if code.value["kind"] != "absent":
        raise BadRequest(spec.code.path, "is there already", "autoloop register, then deploy")
    manifest, _ = read_tree(source, spec.code.exclude)
    new_user = account.value["code"] != 0
    commands = [command.argv for command in _commands(spec, wanted)]
    return InstallPlan(
        app=spec.name,
        source=source,
        release=release_id(manifest),
        changes=_changes(work, source, settings, (0, 0)),
        commands=(*([_useradd(spec, wanted).argv] if new_user else []), *commands),
        new_user=new_user,
    )


def _install_of(work: Work) -> InstallSpec:
    spec = spec_of(work)
    if spec.install is None or spec.code is None:
        what = "says nothing of a first deployment"
        raise BadSpec(f"app {spec.name}", what, "add [install] and [code] to its file")
    return spec.install


def _useradd(spec: AppSpec, wanted: InstallSpec) -> RunCommand:
    home = posixpath.dirname(spec.code.path) if spec.code else "/"
    options = ("--system", "--user-group", "--home-dir", home, "--shell", "/usr/sbin/nologin")
    return RunCommand(argv=("useradd", *options, wanted.user), witness=("id", "-u", wanted.user))


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


def _contents(work: Work, source: str, settings: str) -> dict[str, bytes]:
    """All that must travel, by hash; settings may be secret, so it is made when it is needed."""
    spec, wanted = spec_of(work), _install_of(work)
    _, contents = read_tree(source, spec.code.exclude if spec.code else ())
    texts = [file.content for file in wanted.files if file.kind == "file"]
    texts += [wished(settings)[FILE]] if settings else []
    return contents | {_sha(text): text.encode() for text in texts}


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _changes(
    work: Work, source: str, settings: str, owner: tuple[int, int]
) -> tuple[FileChange, ...]:
    """Everything that is to be there; what is there already as a folder stays as it is."""
    spec, wanted = spec_of(work), _install_of(work)
    assert spec.code is not None
    uid, gid = owner
    own = FileState(kind="dir", mode=0o755, uid=uid, gid=gid)
    states = _outside(work, settings, gid)
    folders = {spec.code.path, *wanted.folders, *filter(None, [spec.deploy.environment])}
    above = {parent for path in (*states, *folders) for parent in _parents(path)}
    asked = sorted({*states, *folders, *above})
    answers = session_of(work).observe([Read(op="stat", args={"path": p}) for p in asked], 60)
    now = {p: FileState.model_validate(a.value) for p, a in zip(asked, answers, strict=True)}
    roots = FileState(kind="dir", mode=0o755)
    for path in asked:
        if path not in states and now[path].kind == "absent":
            states[path] = own if path in folders else roots
    manifest, _ = read_tree(source, spec.code.exclude)
    code = changes_between(spec.code.path, manifest, {spec.code.path: own})
    there = tuple(
        FileChange(path=path, before=now[path], after=state)
        for path, state in sorted(states.items())
        if now[path] != state
    )
    return (*there, *code)


def _outside(work: Work, settings: str, gid: int) -> dict[str, FileState]:
    """Settings, unit, site: what each is afterwards."""
    states = {}
    for file in _install_of(work).files:
        if file.kind == "file":
            mode = int(file.mode, 8)
            states[file.path] = FileState(kind="file", sha256=_sha(file.content), mode=mode)
        else:
            states[file.path] = FileState(kind=file.kind, link=file.link)
    if settings:
        path = settings_file_of(work, "")
        sha = _sha(wished(settings)[FILE])
        states[path] = FileState(kind="file", sha256=sha, mode=0o640, gid=gid)
    return states


def _parents(path: str) -> list[str]:
    found = []
    while (path := posixpath.dirname(path)) != "/":
        found.append(path)
    return found


@step(timeout_s=7200)
def place_install(work: Work, plan: InstallPlan, settings: str) -> Placed:
    """Account, files, environment and data; then the units are enabled and started."""
    session, spec, wanted = session_of(work), spec_of(work), _install_of(work)
    try:
        if plan.new_user:
            _must(work, "user", _useradd(spec, wanted))
        owner = _owner(work, wanted.user)
        session.send(_contents(work, plan.source, settings))
        changes = _changes(work, plan.source, settings, owner)
        session.do(work.op("files"), ChangeFiles(changes=changes))
        commands = tuple(_commands(spec, wanted))
        trees = tuple(dict.fromkeys(filter(None, (spec.deploy.environment, *wanted.folders))))
        guarded = RunGuarded(app=spec.name, run=commands, trees=trees, part_of=work.op("files"))
        session.do(work.op("made"), guarded, sum(c.timeout_s for c in commands) + SAVING_S)
        _must(work, "reload", RunCommand(argv=("systemctl", "daemon-reload"), idempotent=True))
        for unit in wanted.enable:
            enable = RunCommand(argv=("systemctl", "enable", unit), idempotent=True)
            _must(work, f"enable/{unit}", enable)
        for part in spec.deepest_first():
            started(restart(work, "restart", part), part)
    except (OperationFailed, DeadlineExceeded) as error:
        return Placed(failed=str(error))
    return Placed()


def _must(work: Work, name: str, command: RunCommand) -> None:
    done = session_of(work).do(work.op(name), command)
    if done.outcome == "failed":
        said = str(done.value.get("err") or done.value.get("out")).strip()[-300:]
        raise OperationFailed(" ".join(command.argv)[:100], said, "look at the host")


def _owner(work: Work, user: str) -> tuple[int, int]:
    reads = [Read(op="run", args={"argv": ["id", flag, user]}) for flag in ("-u", "-g")]
    uid, gid = (int(answer.value["out"]) for answer in session_of(work).observe(reads))
    return uid, gid


@step(timeout_s=3600)
def settle_install(work: Work, plan: InstallPlan, placed: Placed, proof: Proof) -> Deployment:
    """Keep it and remember it as good, or take everything away again."""
    session, spec, made = session_of(work), spec_of(work), plan.comparison
    backup = ""
    if proof.holds:
        for name in ("files", "made"):
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
    """The latest first. What was there before, as a front, is restarted without the new site."""
    session, spec, wanted = session_of(work), spec_of(work), _install_of(work)
    for unit in wanted.enable:
        disable = RunCommand(argv=("systemctl", "disable", "--now", unit), idempotent=True)
        session.do(work.op(f"disable/{unit}"), disable)
        forget = RunCommand(argv=("systemctl", "reset-failed", unit), idempotent=True)
        session.do(work.op(f"forget/{unit}"), forget)
    session.revert(work.op("made"), SAVING_S)
    session.revert(work.op("files"), SAVING_S)
    reload = RunCommand(argv=("systemctl", "daemon-reload"), idempotent=True)
    session.do(work.op("undo-reload"), reload)
    for part in spec.deepest_first():
        if part.unit not in wanted.enable:
            restart(work, "undo", part)
    if plan.new_user and session.outcome(work.op("user")).outcome == "done":
        _must(work, "undo-user", RunCommand(argv=("userdel", wanted.user), ok_codes=(0, 6)))


@step(timeout_s=3600)
def abandon_install(work: Work, plan: InstallPlan, error: str) -> Abandoned:
    """Take everything away, as far as the target lets us; say what is so on the host."""
    try:
        with writing(work):
            if session_of(work).outcome(work.op("good")).outcome == "done":
                return Abandoned(why=error, as_before=False)
            _take_away(work, plan)
    except AutoloopError as another:
        return Abandoned(why=f"{error}; taking away failed too: {another}", as_before=False)
    return Abandoned(why=error, as_before=True)
