"""Manifests: what a tree holds, and what has to change to make one tree of another."""

import fnmatch
import hashlib
from collections.abc import Iterable, Mapping

from autoloop.core.app import AppSpec
from autoloop.core.target import FileChange, FileState
from autoloop.core.words import Frozen

ABSENT = FileState()


class Entry(Frozen):
    """A path of a source tree: a folder, a file with its content's hash, or a link."""

    kind: str
    sha256: str = ""
    executable: bool = False
    link: str = ""


Manifest = Mapping[str, Entry]


def is_text(path: str) -> bool:
    """Whether *path* is UTF-8. Linux takes any bytes as a name; such files are left alone."""
    return path.isprintable() or not any("\ud800" <= char <= "\udfff" for char in path)


def excluded(name: str, patterns: Iterable[str]) -> bool:
    """Whether *name*, relative to its tree, or one of its parts matches one of *patterns*."""
    parts = (name, *name.split("/"))
    return any(fnmatch.fnmatchcase(part, pattern) for pattern in patterns for part in parts)


def is_apart(spec: AppSpec, path: str) -> bool:
    """Whether *path* lies in the code tree and is no code, or a folder that holds such data."""
    inside = f"{spec.code.path}/" if spec.code else "\0"
    if not path.startswith(inside):
        return False
    logs = (log for part in spec.components for log in (*part.logs, *part.access_logs))
    holds = any(own.startswith(f"{path}/") for own in (*spec.data.sqlite, *logs))
    return holds or excluded(path.removeprefix(inside), spec.not_code())


def release_id(manifest: Manifest) -> str:
    """The name of a tree: SHA-256 over its sorted entries."""
    total = hashlib.sha256()
    for path in sorted(manifest):
        total.update(f"{path}\0{manifest[path].model_dump_json()}\n".encode())
    return total.hexdigest()


def changes_between(
    root: str, wanted: Manifest, now: Mapping[str, FileState]
) -> tuple[FileChange, ...]:
    """The changes that make the tree at *root* hold *wanted*.

    Owner and mode of what exists stay; what is new gets those of *root*. A file becomes executable,
    or stops to be, as the source says. What has a name that is no UTF-8 stays.
    """
    top = now.get(root, ABSENT)
    found = {path: state for path, state in now.items() if path != root and is_text(path)}
    changes = []
    for path in sorted({*(f"{root}/{name}" for name in wanted), *found}):
        before = found.get(path, ABSENT)
        entry = wanted.get(path[len(root) + 1 :])
        after = ABSENT if entry is None else _state(entry, before, top)
        if before != after:
            changes.append(FileChange(path=path, before=before, after=after))
    return tuple(changes)


def _state(entry: Entry, before: FileState, top: FileState) -> FileState:
    uid, gid = (before.uid, before.gid) if before.kind != "absent" else (top.uid, top.gid)
    if entry.kind == "link":
        return FileState(kind="link", link=entry.link, uid=uid, gid=gid)
    if entry.kind == "dir":
        mode = before.mode if before.kind == "dir" else (top.mode or 0o755)
        return FileState(kind="dir", mode=mode, uid=uid, gid=gid)
    mode = before.mode if before.kind == "file" else 0o644
    mode = mode | ((mode & 0o444) >> 2) if entry.executable else mode & ~0o111
    return FileState(kind="file", sha256=entry.sha256, mode=mode, uid=uid, gid=gid)
