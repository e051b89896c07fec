"""Whether a host can take an application that it does not know: nothing of others is in the way,
and all that it needs is there."""

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from autoloop.core.app import AppSpec, Component
from autoloop.core.install import InstallSpec
from autoloop.core.settings_file import parse_settings
from autoloop.core.target import Answer, FileState, Read

SHOWN = ("-p", "LoadState,ActiveState,FragmentPath")
IS_THERE = "import shutil, sys; sys.exit(shutil.which(sys.argv[1]) is None)"
_STARTS = re.compile(r"^\s*Exec[A-Za-z]+\s*=\s*[-@:+!|]*(/[^\s\"']+)", re.MULTILINE)

LACKS = {
    "program": "there is no program {}",
    "venv": "{} cannot make a virtual environment (it needs venv and ensurepip)",
}

Look = tuple[str, str]
"""What is looked at: the kind, and which."""


def missing_settings(spec: AppSpec, path: str, text: str) -> tuple[str, ...]:
    """What the settings file at *path* must have and has not; no value is told.

    Args:
        text: what a person gives for it.
    """
    assert spec.install is not None
    values = parse_settings(text)
    expected = [one for one in spec.deploy.expect if one.file == path]
    wrong = tuple(filter(None, (one.says(values.get(one.key)) for one in expected)))
    return (
        *(f"{key} has no value" for key in spec.install.requires if not values.get(key)),
        *wrong,
    )


def own_units(spec: AppSpec) -> tuple[str, ...]:
    """The units that come with the application, and go with it."""
    assert spec.install is not None
    units = (*spec.install.enable, *(p.unit for p in spec.components if p.manager == "systemd"))
    return tuple(unit for unit in dict.fromkeys(units) if spec.install.brings(unit))


def there_before(spec: AppSpec) -> tuple[Component, ...]:
    """The components that the host must have already, as its front."""
    own = own_units(spec)
    return tuple(part for part in spec.deepest_first() if part.unit not in own)


def made_places(spec: AppSpec) -> tuple[str, ...]:
    """The folders that nobody else may have."""
    assert spec.install is not None
    assert spec.code is not None
    return tuple(
        dict.fromkeys(
            filter(None, (spec.code.path, spec.deploy.environment, *spec.install.folders))
        )
    )


def looks(spec: AppSpec, brought: Iterable[str]) -> dict[Look, Read]:
    """One batch of reads, which `obstacles` understands.

    Args:
        brought: every path that will be there afterwards.
    """
    assert spec.install is not None
    user, found = spec.install.user, {("listeners", ""): Read(op="listeners")}
    for kind in ("passwd", "group"):
        found[(kind, user)] = _run("getent", kind, user)
    for unit in (*own_units(spec), *(p.unit for p in there_before(spec) if p.manager == "systemd")):
        found[("unit", unit)] = _run("systemctl", "show", *SHOWN, unit)
    for program in _programs(spec):
        found[("program", program)] = _run("python3", "-I", "-c", IS_THERE, program)
    if spec.deploy.environment:
        python = spec.install.python
        found[("venv", python)] = _run(python, "-I", "-c", "import ensurepip, venv")
    coming = set(brought)
    for path in dict.fromkeys(path for part in spec.components for path in part.files()):
        if path not in coming:
            found[("file", path)] = Read(op="stat", args={"path": path})
    return found


def _run(*argv: str) -> Read:
    return Read(op="run", args={"argv": list(argv)})


def _programs(spec: AppSpec) -> tuple[str, ...]:
    """The programs that declared commands and units begin with, but for those that are made."""
    assert spec.install is not None
    commands: list[Sequence[str]] = [("useradd",), ("userdel",), ("getent",), spec.deploy.install]
    if spec.deploy.environment:
        commands.append(("runuser",))
    for name in spec.deploy.procedures:
        one = spec.procedure(name)
        commands += [one.check, one.apply, one.undo]
    commands += [part.config_test for part in spec.components]
    for file in spec.install.files:
        if file.path.startswith("/etc/systemd/system/"):
            commands += [[program] for program in _STARTS.findall(file.content)]
    made = tuple(f"{path}/" for path in made_places(spec))
    names = (name for command in commands for name in _begins_with(command))
    return tuple(name for name in dict.fromkeys(names) if not name.startswith(made))


def _begins_with(argv: Sequence[str]) -> Iterator[str]:
    """The program, and the one that ``runuser -u USER --`` runs."""
    yield from argv[:1]
    if argv[:1] and posixpath.basename(argv[0]) == "runuser" and "--" in argv[:-1]:
        yield argv[argv.index("--") + 1]


def obstacles(
    spec: AppSpec, now: Mapping[str, FileState], said: Mapping[Look, Answer]
) -> tuple[str, ...]:
    """What only a person may put right, a phrase each; nothing when the host can take it.

    Args:
        now: what is at each path that will be made; folders above them are not among these.
        said: the answers to `looks`.
    """
    assert spec.install is not None
    gone = {file.path for file in spec.install.files if file.kind == "absent"}
    taken = (f"{path} is there already" for path, s in now.items() if _in_the_way(path, s, gone))
    return (
        *taken,
        *_accounts(spec.install, said),
        *_units(spec, said),
        *_ports(spec, said[("listeners", "")]),
        *_lacking(said),
    )


def _in_the_way(path: str, state: FileState, gone: set[str]) -> bool:
    """Whether it is there; what is taken away on purpose may be a file or a link."""
    return state.kind == "dir" if path in gone else state.kind != "absent"


def _accounts(wanted: InstallSpec, said: Mapping[Look, Answer]) -> Iterator[str]:
    for kind, name in (("passwd", "account"), ("group", "group")):
        answer = said[(kind, wanted.user)]
        if not answer.ok or answer.value["code"] not in (0, 2):
            yield f"nobody can tell whether there is a {name} {wanted.user}"
        elif answer.value["code"] == 0:
            yield f"{name} {wanted.user} is there already"


def _units(spec: AppSpec, said: Mapping[Look, Answer]) -> Iterator[str]:
    """What comes must be new; what must be there, as the front, must run."""
    for unit in own_units(spec):
        shown = _shown(said[("unit", unit)])
        if shown.get("LoadState") != "not-found":
            where = shown.get("FragmentPath") or shown.get("LoadState") or "systemd does not answer"
            yield f"unit {unit} is there already ({where})"
    for part in there_before(spec):
        if part.manager != "systemd":
            continue
        shown = _shown(said[("unit", part.unit)])
        if shown.get("LoadState") != "loaded":
            yield f"{part.unit}, which {part.name} needs, is neither there nor brought"
        elif shown.get("ActiveState") != "active":
            yield f"{part.unit} does not run ({shown.get('ActiveState')})"


def _shown(answer: Answer) -> dict[str, str]:
    text = str(answer.value["out"]) if answer.ok and answer.value["code"] == 0 else ""
    return dict(line.partition("=")[::2] for line in text.splitlines())


def _ports(spec: AppSpec, listeners: Answer) -> Iterator[str]:
    rows: list[dict[str, Any]] = listeners.value if listeners.ok else []
    if not listeners.ok:
        yield f"nobody can tell which ports are taken: {listeners.error}"
    for part in spec.components:
        before = part in there_before(spec)
        for row in (row for row in rows if row["port"] == part.port):
            owner = row["owner"]
            if not (before and owner.get("unit") in (part.unit, f"{part.unit}.service")):
                who = owner.get("unit") or owner.get("command") or "another process"
                yield f"port {part.port} of {part.name} is taken by {who}"
                break


def _lacking(said: Mapping[Look, Answer]) -> Iterator[str]:
    for (kind, name), answer in said.items():
        if kind == "file" and not (answer.ok and answer.value["kind"] == "file"):
            yield f"{name} is neither there nor brought"
        elif kind in LACKS and not (answer.ok and answer.value["code"] == 0):
            yield LACKS[kind].format(name)
