"""Writes that a crash cannot leave half done, and the state folder that is made of them."""

import contextlib
import ctypes
import errno
import hashlib
import io
import json
import os
import re
import tempfile
import time

KEPT_OPERATIONS = 500
ROOM = 1 << 20  # bytes that the state folder holds for a full disk
SQLITE_ENDS = ("", "-journal", "-wal", "-shm")
LIBC = ctypes.CDLL(None, use_errno=True)  # loaded before any fork


class Refusal(Exception):
    """An answer that is an error: its name is one of the client's exceptions."""

    def __init__(self, name, place, what, next_step="read the agent's answer"):
        super().__init__("%s: %s" % (place, what))
        self.body = {"error": name, "place": place, "what": what, "next": next_step}


def sync_dir(path):
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_durably(path, data, mode=0o600):
    """Replace *path* so that after any crash it holds the old content or the new, whole."""
    handle, temporary = tempfile.mkstemp(prefix=".autoloop-", dir=os.path.dirname(path))
    fill_and_replace(handle, temporary, path, data, mode)


def fill_and_replace(handle, temporary, path, data, mode, owner=None):
    try:
        with os.fdopen(handle, "wb") as out:
            if hasattr(data, "read"):
                copy_stream(data, out)
            else:
                out.write(data)
            out.flush()
            if owner is not None:
                os.fchown(out.fileno(), owner[0], owner[1])
            os.fchmod(out.fileno(), mode)
            os.fsync(out.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_dir(os.path.dirname(path))


def copy_stream(source, out):
    """Copy to the end; returns the SHA-256 and the size of what went by."""
    total, size = hashlib.sha256(), 0
    for piece in iter(lambda: source.read(1 << 20), b""):
        out.write(piece)
        total.update(piece)
        size += len(piece)
    return total.hexdigest(), size


def own(path, uid, gid):
    now = os.lstat(path)
    if (now.st_uid, now.st_gid) != (uid, gid):
        os.lchown(path, uid, gid)


def sha256_of(path):
    total = hashlib.sha256()
    with open(path, "rb") as source:
        for piece in iter(lambda: source.read(1 << 20), b""):
            total.update(piece)
    return total.hexdigest()


class Store:
    """The state folder: ``ops/`` journal, ``objects/`` contents, ``backups/``, ``locks/``."""

    def __init__(self, root):
        self.root = root
        for name in ("ops", "objects", "backups", "locks"):
            os.makedirs(os.path.join(root, name), mode=0o700, exist_ok=True)
        os.chmod(root, 0o700)

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def keep_room(self):
        """Hold some room while there is plenty, so that a full disk can be noted and cleared."""
        if not os.path.exists(self.path("room")) and space_of(self.root)["free"] > 100 * ROOM:
            write_durably(self.path("room"), b"\0" * ROOM)

    def make_room(self):
        """Give the room up where there is no other; see `keep_room`."""
        if space_of(self.root)["free"] < ROOM:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path("room"))

    def object_path(self, sha):
        if not re.fullmatch(r"[0-9a-f]{64}", sha):
            raise Refusal("AgentRefused", "object " + sha[:80], "is not a SHA-256")
        return self.path("objects", sha[:2], sha[2:])

    def has(self, sha):
        return os.path.exists(self.object_path(sha))

    def keep(self, path):
        """Copy the content of a file into the store; returns its hash and size.

        A file that grows meanwhile is kept as far as it was read: the name is the copy's own hash.
        """
        sha = sha256_of(path)
        if self.refresh(sha):
            return sha, os.path.getsize(self.object_path(sha))
        with open(path, "rb") as source:
            return self.keep_stream(source)

    def keep_bytes(self, data):
        sha = hashlib.sha256(data).hexdigest()
        return sha if self.refresh(sha) else self.keep_stream(io.BytesIO(data))[0]

    def keep_stream(self, source, sync=True):
        handle, temporary = tempfile.mkstemp(prefix=".autoloop-", dir=self.path("objects"))
        try:
            with os.fdopen(handle, "wb") as out:
                sha, size = copy_stream(source, out)
                out.flush()
                if sync:
                    os.fsync(out.fileno())
            target = self.object_path(sha)
            os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        if sync:
            sync_dir(os.path.dirname(target))
        return sha, size

    def keep_tree(self, states):
        """Copy the contents of all files of *states* into the store, with one sync at the end."""
        for path, state in states.items():
            if state["kind"] == "file" and not self.refresh(state["sha256"]):
                with open(path, "rb") as source:
                    state["sha256"] = self.keep_stream(source, sync=False)[0]
        handle = os.open(self.root, os.O_RDONLY)
        try:
            LIBC.syncfs(handle)
        finally:
            os.close(handle)

    def refresh(self, sha):
        """Whether *sha* is here; if so it counts as new, and no collection takes it for an hour."""
        try:
            os.utime(self.object_path(sha))
        except FileNotFoundError:
            return False
        return True

    # -- journal

    def op_path(self, op):
        if not re.fullmatch(r"[A-Za-z0-9._:/-]{1,200}", op) or ".." in op:
            raise Refusal("AgentRefused", "operation " + op[:80], "is not a usable id")
        return self.path("ops", op.replace("/", "+") + ".json")

    def load_op(self, op):
        try:
            with open(self.op_path(op), encoding="utf-8") as source:
                return json.load(source)
        except FileNotFoundError:
            return None

    def save_op(self, record):
        record["at"] = time.time()
        write_durably(self.op_path(record["op"]), json.dumps(record).encode())

    def operations(self):
        for name in sorted(os.listdir(self.path("ops"))):
            if name.endswith(".json"):
                with contextlib.suppress(FileNotFoundError):  # another agent may forget it now
                    with open(self.path("ops", name), encoding="utf-8") as source:
                        yield json.load(source)

    def forget_old_operations(self):
        settled = ("committed", "reverted", "done", "failed")
        records = [r for r in self.operations() if r["state"] in settled]
        records.sort(key=lambda record: record["at"])
        for record in records[: max(0, len(records) - KEPT_OPERATIONS)]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.op_path(record["op"]))


def space_of(path):
    found = os.statvfs(path)
    return {
        "free": found.f_bavail * found.f_frsize,
        "total": found.f_blocks * found.f_frsize,
        "inodes_free": found.f_favail,
        "inodes": found.f_files,
    }


def describe(error):
    if isinstance(error, Refusal):
        return str(error)
    if isinstance(error, OSError) and error.errno:
        where = error.filename or ""
        return "%s %s" % (errno.errorcode.get(error.errno, error.errno), where or error)
    return "%s: %s" % (type(error).__name__, error)
