"""States of files, folders and links, and how each is made so; trees, and changes of many."""

import contextlib
import fnmatch
import hashlib
import os
import stat

from autoloop.agent.durable import Refusal, describe, fill_and_replace, own, sha256_of, sync_dir

ABSENT = {"kind": "absent", "sha256": "", "mode": 0, "uid": 0, "gid": 0, "link": ""}


def file_state(path, content=True):
    """What is at *path*, in the form of a `FileState`."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return dict(ABSENT)
    state = dict(ABSENT, mode=stat.S_IMODE(found.st_mode), uid=found.st_uid, gid=found.st_gid)
    if stat.S_ISLNK(found.st_mode):
        state.update(kind="link", mode=0, link=os.readlink(path))
    elif stat.S_ISDIR(found.st_mode):
        state["kind"] = "dir"
    elif stat.S_ISREG(found.st_mode):
        state["kind"] = "file"
        state["sha256"] = sha256_of(path) if content else ""
    else:
        raise Refusal("AgentRefused", path, "is a device, pipe or socket", "leave it out")
    return state


def excluded(relative, patterns):
    parts = relative.split("/")
    return any(
        fnmatch.fnmatch(relative, pattern) or any(fnmatch.fnmatch(p, pattern) for p in parts)
        for pattern in patterns
    )


def tree_states(root, exclude):
    """Every path below *root* (and *root* itself) with its state, links not followed."""
    states = {}
    top = file_state(root)
    if top["kind"] == "absent":
        return states
    states[root] = top
    for folder, names, files in os.walk(root):
        for name in list(names) + files:
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, root)
            if excluded(relative, exclude):
                if name in names:
                    names.remove(name)
                continue
            with contextlib.suppress(FileNotFoundError):
                mode = os.lstat(path).st_mode
                if stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode):
                    states[path] = file_state(path)
    return states


def temporary_of(path):
    """Where a content or link waits to take the place of *path*: known again after a crash."""
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return os.path.join(os.path.dirname(path), ".autoloop-" + name)


def remove_leftover(path):
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(temporary_of(path))


def remove_dir(path):
    """Remove an empty folder; compiled Python in it does not count."""
    cache = os.path.join(path, "__pycache__")
    if os.path.isdir(cache) and not os.path.islink(cache):
        for name in os.listdir(cache):
            if name.endswith(".pyc") or ".pyc." in name:
                os.unlink(os.path.join(cache, name))
        os.rmdir(cache)
    os.rmdir(path)


def below_link(path, managed):
    """Whether *path* is reached through one of the *managed* paths that is a link now.

    Such a link leads to files that are not meant: a folder takes the place of a link.
    """
    folder = os.path.dirname(path)
    while len(folder) > 1:
        if folder in managed and os.path.islink(folder):
            return True
        folder = os.path.dirname(folder)
    return False


def state_among(path, managed):
    return dict(ABSENT) if below_link(path, managed) else file_state(path)


def put_state(store, path, wanted, managed=frozenset()):
    """Make *path* be *wanted*. Doing it twice, or after half of it, is the same."""
    now = state_among(path, managed)
    if now == wanted:
        return
    if wanted["kind"] == "absent":
        if now["kind"] == "dir":
            with contextlib.suppress(FileNotFoundError):
                remove_dir(path)
        else:
            os.unlink(path)
        sync_dir(os.path.dirname(path))
        return
    if now["kind"] not in ("absent", wanted["kind"]):
        if now["kind"] == "dir":
            remove_dir(path)
        elif wanted["kind"] == "dir":
            os.unlink(path)
    if wanted["kind"] == "dir":
        if not os.path.isdir(path):
            os.mkdir(path, wanted["mode"])
        own(path, wanted["uid"], wanted["gid"])
        os.chmod(path, wanted["mode"])
        sync_dir(path)
        sync_dir(os.path.dirname(path))
    elif wanted["kind"] == "link":
        temporary = temporary_of(path)
        os.symlink(wanted["link"], temporary)
        own(temporary, wanted["uid"], wanted["gid"])
        os.replace(temporary, path)
        sync_dir(os.path.dirname(path))
    elif now["kind"] == "file" and now["sha256"] == wanted["sha256"]:
        own(path, wanted["uid"], wanted["gid"])
        os.chmod(path, wanted["mode"])
        with contextlib.suppress(PermissionError):  # the new mode may forbid the owner to read
            sync_dir(path)
    else:
        put_content(store, path, wanted)


def put_content(store, path, wanted):
    kept, temporary = store.object_path(wanted["sha256"]), temporary_of(path)
    if sha256_of(kept) != wanted["sha256"]:
        raise OSError("the stored content for %s is damaged" % path)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with open(kept, "rb") as source:
        owner = (wanted["uid"], wanted["gid"])
        fill_and_replace(handle, temporary, path, source, wanted["mode"], owner)


def in_order(changes, side):
    """Folders and files are made from the top down, removed from the bottom up."""
    made = [c for c in changes if c[side]["kind"] != "absent"]
    gone = [c for c in changes if c[side]["kind"] == "absent"]
    made.sort(key=lambda c: c["path"])
    gone.sort(key=lambda c: c["path"], reverse=True)
    # A file that gives way to a folder must go first, a folder that gives way to a file too.
    return gone + made


def put_all(store, changes, side):
    """Put every path on *side*, as far as it goes; returns what stood in the way."""
    trouble, managed = [], {c["path"] for c in changes}
    for change in changes:
        if not below_link(change["path"], managed):
            remove_leftover(change["path"])
    for change in in_order(changes, side):
        try:
            put_state(store, change["path"], change[side], managed)
        except (OSError, Refusal) as error:
            trouble.append(describe(error))
            if side == "after":
                break
    return trouble


def differing(changes, side):
    managed = {c["path"] for c in changes}
    return [c["path"] for c in changes if state_among(c["path"], managed) != c[side]]
