"""The agent: runs on the target for as long as one connection lasts. Standard library only.

It is sent on standard input at connect, listens on nothing and leaves only its state folder: the
journal of operations, an object store named by content hash, backups, locks. Python 3.6 or newer.

Frames, both ways: two big-endian 32-bit lengths, a JSON head, a body of bytes. See
``docs/reference/agent-protocol.md``.
"""

import contextlib
import ctypes
import errno
import fcntl
import fnmatch
import glob
import hashlib
import heapq
import http.client
import io
import json
import mmap
import os
import re
import shutil
import signal
import socket
import sqlite3
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

from autoloop.agent import certificates, reach

PROTOCOLS = [1]
HEAD_LIMIT = 16 << 20
BODY_LIMIT = 4 << 20
OUTPUT_LIMIT = 256 << 10
SILENCE_S = 120  # without a word from the client for so long, the agent ends
ANSWER_LIMIT = 48 << 20  # below what the client takes for one head
KEPT_OPERATIONS = 500
LOCKED_DATABASE_S = 20  # for so long a backup waits for a writer that does not let go
WAITING = (
    "run",
    "http",
    "reach",
    "sqlite_check",
    "certificates",
)  # reads that mostly wait for others: those of a batch do so together
AT_ONCE = 8
ROOM = 1 << 20  # bytes that the state folder holds for a full disk
CHECK_DATABASE_S = 10  # for so long a database is looked through
MOST_SALVAGED = 2 << 30  # bytes of a database
SQLITE_ENDS = ("", "-journal", "-wal", "-shm")
NO_DAMAGE = ("NULL value in", "CHECK constraint failed", "non-unique entry")  # wrong, but sound
MOST_REMOVED = 2000  # files in one operation

LIBC = ctypes.CDLL(None, use_errno=True)  # loaded before any fork
RUNNING = set()  # leaders of the process groups that this agent has started


class Refusal(Exception):
    """An answer that is an error: its name is one of the client's exceptions."""

    def __init__(self, name, place, what, next_step="read the agent's answer"):
        super().__init__("%s: %s" % (place, what))
        self.body = {"error": name, "place": place, "what": what, "next": next_step}


# ---- small durable writes ------------------------------------------------------------------


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


# ---- state folder --------------------------------------------------------------------------


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


# ---- files ---------------------------------------------------------------------------------

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


# ---- reading the host ----------------------------------------------------------------------


def proc_text(pid, name):
    try:
        with open("/proc/%s/%s" % (pid, name), "rb") as source:
            return source.read().decode("utf-8", "replace")
    except OSError:
        return ""


def started_ticks(pid):
    fields = proc_text(pid, "stat").rpartition(")")[2].split()
    return int(fields[19]) if len(fields) > 19 and fields[0] not in "ZX" else 0


def unit_of(pid):
    """The systemd service *pid* belongs to; "" for sessions, scopes, and the agent's own service.

    What runs in the agent's own service was started by hand, as the agent was.
    """
    unit = cgroup_unit(pid)
    return "" if unit == cgroup_unit("self") else unit


def cgroup_unit(pid):
    for line in proc_text(pid, "cgroup").splitlines():
        for part in reversed(line.rpartition(":")[2].split("/")):
            if part.endswith(".scope") or part.startswith("user@"):
                break
            if part.endswith((".service", ".socket")):
                return part
    return ""


def describe_process(pid):
    status = dict(
        line.split(":\t", 1) for line in proc_text(pid, "status").splitlines() if ":\t" in line
    )
    return {
        "pid": int(pid),
        "started": started_ticks(pid),
        "command": proc_text(pid, "cmdline").replace("\0", " ").strip()[:500],
        "name": status.get("Name", ""),
        "parent": int(status.get("PPid", "0") or 0),
        "uid": int(status.get("Uid", "-1").split("\t")[0] or -1),
        "unit": unit_of(pid),
    }


def read_memory(args):
    """The memory of a systemd unit's processes that they share with nobody, in bytes."""
    rows = []
    for pid in (name for name in os.listdir("/proc") if name.isdigit()):
        if cgroup_unit(pid) == args["unit"]:
            pages = proc_text(pid, "statm").split()
            if len(pages) > 2:
                own = (int(pages[1]) - int(pages[2])) * os.sysconf("SC_PAGE_SIZE")
                rows.append((own, int(pid)))
    biggest = max(rows, default=(0, 0))
    return {
        "bytes": sum(own for own, _ in rows),
        "processes": len(rows),
        "biggest": biggest[0],
        "command": describe_process(biggest[1])["command"] if rows else "",
    }


def listening_inodes():
    found = {}
    for name in ("tcp", "tcp6"):
        try:
            with open("/proc/net/" + name) as source:
                rows = source.read().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            fields = row.split()
            if fields[3] == "0A":
                address, port = fields[1].split(":")
                found[fields[9]] = (address_text(address), int(port, 16))
    return found


def address_text(hexadecimal):
    raw = bytes.fromhex(hexadecimal)
    if len(raw) == 4:
        return socket.inet_ntop(socket.AF_INET, raw[::-1])
    words = b"".join(raw[i : i + 4][::-1] for i in range(0, 16, 4))
    return socket.inet_ntop(socket.AF_INET6, words)


def holders_of_sockets(inodes):
    holders = {}
    for pid in (name for name in os.listdir("/proc") if name.isdigit()):
        try:
            handles = os.listdir("/proc/%s/fd" % pid)
        except OSError:
            continue
        for handle in handles:
            with contextlib.suppress(OSError):
                link = os.readlink("/proc/%s/fd/%s" % (pid, handle))
                if link.startswith("socket:[") and link[8:-1] in inodes:
                    holders.setdefault(link[8:-1], []).append(pid)
    return holders


def ancestors(pid):
    line = []
    while pid > 1 and len(line) < 32:
        line.append(pid)
        fields = proc_text(pid, "stat").rpartition(")")[2].split()
        pid = int(fields[1]) if len(fields) > 1 else 0
    return line


def read_listeners(_args):
    inodes = listening_inodes()
    holders = holders_of_sockets(inodes)
    rows = []
    for inode, (address, port) in inodes.items():
        pids = sorted(int(pid) for pid in holders.get(inode, []))
        owner = describe_process(pids[0]) if pids else {}
        rows.append(
            {
                "address": address,
                "port": port,
                "pids": pids,
                "owner": owner,
                "ancestors": ancestors(pids[0]) if pids else [],
            }
        )
    return sorted(rows, key=lambda row: (row["port"], row["address"]))


def die_with_parent():
    LIBC.prctl(1, signal.SIGKILL)


def end(code):
    """End this agent, and with it the programs it has started."""
    for leader in list(RUNNING):
        with contextlib.suppress(OSError):
            os.killpg(leader, signal.SIGKILL)
    os._exit(code)


def run_program(argv, timeout_s, env=None, cancel=None):
    """Run without a shell; the last 256 KiB of each output are kept. Ends with its whole group."""
    full = dict(os.environ, LC_ALL="C", SYSTEMD_COLORS="0", SYSTEMD_PAGER="")
    full.update(env or {})
    began = time.monotonic()
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=full,
            start_new_session=True,
            preexec_fn=die_with_parent,
        )
    except (OSError, ValueError) as error:
        return {"code": 127, "out": "", "err": str(error), "seconds": 0.0, "timed_out": False}
    RUNNING.add(process.pid)
    try:
        return watch_program(process, began, timeout_s, cancel)
    finally:
        RUNNING.discard(process.pid)


def watch_program(process, began, timeout_s, cancel):
    outputs = {"out": bytearray(), "err": bytearray()}
    readers = [
        threading.Thread(target=drain, args=(process.stdout, outputs["out"]), daemon=True),
        threading.Thread(target=drain, args=(process.stderr, outputs["err"]), daemon=True),
    ]
    for reader in readers:
        reader.start()
    timed_out = not wait_for(process, began + timeout_s, cancel)
    if timed_out:
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for reader in readers:
        reader.join(2)
    return {
        "code": process.returncode,
        "out": bytes(outputs["out"][-OUTPUT_LIMIT:]).decode("utf-8", "replace"),
        "err": bytes(outputs["err"][-OUTPUT_LIMIT:]).decode("utf-8", "replace"),
        "seconds": round(time.monotonic() - began, 4),
        "timed_out": timed_out,
    }


def drain(pipe, kept):
    with pipe:
        for piece in iter(lambda: os.read(pipe.fileno(), 65536), b""):
            kept.extend(piece)
            if len(kept) > 2 * OUTPUT_LIMIT:
                del kept[:-OUTPUT_LIMIT]


def wait_for(process, deadline, cancel):
    pause = 0.002
    while process.poll() is None:
        if time.monotonic() > deadline or (cancel is not None and cancel.is_set()):
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)
    return True


def read_run(args, cancel=None):
    argv = [str(part) for part in args["argv"]]
    return run_program(argv, float(args.get("timeout_s", 15)), args.get("env"), cancel)


def open_at_once(path, flags):
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe without a writer must not hold us


def read_file(args):
    with open(args["path"], "rb", opener=open_at_once) as source:
        size = os.fstat(source.fileno()).st_size
        limit = int(args.get("limit", 65536))
        if args.get("tail"):
            source.seek(max(0, size - limit))
        text = source.read(limit).decode("utf-8", "replace")
    return {"text": text, "size": size}


def read_sqlite(args):
    """The first value of the first row that a query gives, without writing; None for no row."""
    url = "file:%s?mode=ro" % urllib.parse.quote(args["path"])
    connection = sqlite3.connect(url, uri=True, timeout=2)
    deadline = time.monotonic() + float(args.get("timeout_s", 10))
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 10000)
    try:
        row = connection.execute(args["query"]).fetchone()
    finally:
        connection.close()
    value = row[0] if row else None
    return {"value": value if value is None else str(value)[:65536]}


def read_http(args):
    """One HTTP request from the target, certificates not verified: it is the target's own."""
    url = urllib.parse.urlsplit(args["url"])
    timeout = float(args.get("timeout_s", 5))
    began = time.monotonic()
    try:
        if url.scheme == "https":
            import ssl

            connection = http.client.HTTPSConnection(
                url.hostname, url.port, timeout=timeout, context=ssl._create_unverified_context()
            )
        else:
            connection = http.client.HTTPConnection(url.hostname, url.port, timeout=timeout)
        try:
            path = (url.path or "/") + ("?" + url.query if url.query else "")
            path = urllib.parse.quote(path, safe="/%:=&?~#+!$,;'@()*[]")
            body = args.get("body")
            headers = dict(args.get("headers") or {})
            if not any(name.lower() == "user-agent" for name in headers):
                headers["User-Agent"] = "autoloop"  # told apart from users in access logs
            payload = None
            if body is not None:
                payload = (body if isinstance(body, str) else json.dumps(body)).encode("utf-8")
                headers.setdefault("Content-Type", "application/json")
            connect_for(connection)
            connection.request(args.get("method", "GET"), path, payload, headers)
            reply = connection.getresponse()
            data = read_until(reply, connection.sock, began + timeout)
            text = decode(data, reply.headers.get_content_charset("utf-8"))
            return {"status": reply.status, "body": text, "ms": since_ms(began), "error": ""}
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = str(error) or type(error).__name__
        return {"status": 0, "body": "", "ms": since_ms(began), "error": why}


def connect_for(connection):
    """Connect. Nobody there at all is told from one who takes the connection and says nothing."""
    try:
        connection.connect()
    except socket.timeout:
        raise OSError("connection timed out: nothing comes back") from None


def read_until(reply, sock, deadline, limit=1 << 20):
    """At most *limit* bytes of the body; one that only drips does not hold us beyond the time."""
    data = bytearray()
    while len(data) < limit:
        left = deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        if sock is not None:  # let go of when the reply is the connection's last
            sock.settimeout(left)
        piece = reply.read1(min(65536, limit - len(data)))
        if not piece:
            break
        data.extend(piece)
    return bytes(data)


def decode(data, charset):
    try:
        return data.decode(charset, "replace")
    except LookupError:
        return data.decode("utf-8", "replace")


def since_ms(began):
    return round((time.monotonic() - began) * 1000, 2)


def read_facts(_args):
    with open("/proc/uptime") as source:
        uptime = float(source.read().split()[0])
    with open("/proc/sys/kernel/random/boot_id") as source:
        boot = source.read().strip()
    return {
        "host": socket.gethostname(),
        "uid": os.geteuid(),
        "python": "%d.%d.%d" % sys.version_info[:3],
        "time": time.time(),
        "offset_s": time.localtime().tm_gmtoff,
        "uptime": uptime,
        "ticks": os.sysconf("SC_CLK_TCK"),
        "boot": boot,
    }


def read_disks(args):
    """The file systems that hold *paths*, each once, with the paths in it."""
    found = {}
    for path in args["paths"]:
        place = existing(path)
        device = os.stat(place).st_dev
        if device not in found:
            found[device] = dict(space_of(place), place=mount_point(place), paths=[])
        found[device]["paths"].append(path)
    return list(found.values())


def existing(path):
    """*path*, or the folder above it that exists."""
    while not os.path.exists(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path


def mount_point(path):
    device, path = os.stat(path).st_dev, os.path.realpath(path)
    while path != "/" and os.stat(os.path.dirname(path)).st_dev == device:
        path = os.path.dirname(path)
    return path


def space_of(path):
    found = os.statvfs(path)
    return {
        "free": found.f_bavail * found.f_frsize,
        "total": found.f_blocks * found.f_frsize,
        "inodes_free": found.f_favail,
        "inodes": found.f_files,
    }


def read_removable(args):
    """What the *rules* allow to be removed on the file system of *place*, for each rule, oldest
    first. A file that is open, has two names or is one of *protect* is nobody's to remove."""
    device, now, held = os.stat(args["place"]).st_dev, time.time(), open_files()
    rows = []
    for rule in args["rules"]:
        files = [(path, os.lstat(path)) for path in glob.glob(rule["glob"])]
        files = [(path, found) for path, found in files if stat.S_ISREG(found.st_mode)]
        files.sort(key=lambda row: (row[1].st_mtime, row[0]))
        files = files[: max(0, len(files) - rule["keep"])]
        rows.append(
            [
                identity(path, found)
                for path, found in files
                if found.st_dev == device
                and found.st_nlink == 1
                and now - found.st_mtime >= rule["older_s"]
                and (found.st_dev, found.st_ino) not in held
                and path not in args["protect"]
                and os.path.realpath(path) == path
            ][:MOST_REMOVED]
        )
    return rows


def identity(path, found):
    return {
        "path": path,
        "bytes": found.st_blocks * 512,
        "size": found.st_size,
        "inode": found.st_ino,
        "mtime_ns": found.st_mtime_ns,
    }


def open_files():
    """Device and inode of every file that a process has open."""
    held = set()
    for handle in glob.glob("/proc/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            found = os.stat(handle)
            held.add((found.st_dev, found.st_ino))
    return held


def read_biggest(args):
    """The biggest files of the file system at *place*, as far as they are found in 5 seconds."""
    device, end, found = os.stat(args["place"]).st_dev, time.monotonic() + 5, []
    for folder, names, files in os.walk(args["place"]):
        with contextlib.suppress(OSError):
            names[:] = [n for n in names if os.lstat(os.path.join(folder, n)).st_dev == device]
            for name in files:
                one = os.lstat(os.path.join(folder, name))
                if stat.S_ISREG(one.st_mode) and one.st_dev == device:
                    found.append((one.st_blocks * 512, os.path.join(folder, name)))
        if time.monotonic() > end:
            break
        if len(found) > 10000:
            found = heapq.nlargest(10, found)
    return [{"path": path, "bytes": size} for size, path in heapq.nlargest(10, found)]


def read_stat(args):
    return file_state(args["path"])


def read_tree(args):
    return tree_states(args["path"], args.get("exclude", []))


# ---- backups -------------------------------------------------------------------------------


class Backups:
    """Manifests in ``backups/APP/ID.json``; contents in the object store, each once."""

    def __init__(self, store):
        self.store = store

    def folder(self, app):
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,63}", app):
            raise Refusal("AgentRefused", "app " + app[:80], "is not a usable name")
        return self.store.path("backups", app)

    def load(self, app, backup):
        name = self.good(app) if backup == "good" else backup
        try:
            with open(os.path.join(self.folder(app), os.path.basename(name) + ".json")) as source:
                return json.load(source)
        except (FileNotFoundError, ValueError):
            what = "no backup '%s'" % backup if name else "no good state is known yet"
            raise Refusal("NotFound", "backups of " + app, what, "list them: autoloop backups")

    def listed(self, app):
        """The backups of *app*, newest first."""
        found = []
        with contextlib.suppress(FileNotFoundError):
            for name in os.listdir(self.folder(app)):
                if name.endswith(".json"):
                    with contextlib.suppress(FileNotFoundError):  # pruned meanwhile
                        with open(os.path.join(self.folder(app), name)) as source:
                            found.append(json.load(source))
        return sorted(found, key=lambda record: record["at"], reverse=True)

    def good(self, app):
        try:
            with open(os.path.join(self.folder(app), "GOOD")) as source:
                return source.read().strip()
        except FileNotFoundError:
            return ""

    def mark_good(self, app, backup):
        write_durably(os.path.join(self.folder(app), "GOOD"), backup.encode())

    def save(self, args):
        app = args["app"]
        os.makedirs(self.folder(app), mode=0o700, exist_ok=True)
        states = {}
        for root in args.get("trees", []):
            states.update(tree_states(root, args.get("exclude", [])))
        for path in args.get("files", []):
            states[path] = file_state(path)
        total = 0
        for path, state in list(states.items()):
            if state["kind"] == "file":
                try:
                    state["sha256"], size = self.store.keep(path)
                    total += size
                except FileNotFoundError:  # removed since it was listed
                    del states[path]
        databases = {}
        for path in args.get("sqlite", []):
            databases[path] = self.save_sqlite(path)
            total += databases[path]["size"]
        listing = json.dumps(states, sort_keys=True).encode()
        name = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()) + "-" + os.urandom(3).hex()
        record = {
            "id": name,
            "app": app,
            "at": time.time(),
            "reason": args.get("reason", ""),
            "as_good": bool(args.get("good")),
            "trees": args.get("trees", []),
            "exclude": args.get("exclude", []),
            "release": hashlib.sha256(listing).hexdigest(),
            "files": states,
            "sqlite": databases,
            "bytes": total,
        }
        write_durably(os.path.join(self.folder(app), name + ".json"), json.dumps(record).encode())
        if args.get("good"):
            self.mark_good(app, name)
        return summary(record)

    def save_sqlite(self, path):
        """A consistent copy by SQLite's own backup interface, checked, in the object store."""
        if not os.path.exists(path):
            return {"sha256": "", "size": 0, "check": "absent", "state": dict(ABSENT)}
        handle, copy = tempfile.mkstemp(prefix=".autoloop-", dir=self.store.root)
        os.close(handle)
        try:
            url = "file:%s?mode=ro" % urllib.parse.quote(path)
            source = sqlite3.connect(url, uri=True, timeout=1)
            target = sqlite3.connect(copy)
            try:
                copy_sqlite(source, target)
                check = target.execute("pragma quick_check(1)").fetchone()[0]
            except sqlite3.DatabaseError as error:
                check = str(error)
            finally:
                source.close()
                target.close()
            sha, size = self.store.keep(path if check != "ok" else copy)
            state = dict(file_state(path, content=False), sha256=sha)
            saved = {"sha256": sha, "size": size, "check": check, "state": state}
            saved["inode"] = os.stat(path).st_ino
            return saved if check == "ok" else dict(saved, raw=self.raw_companions(path))
        finally:
            os.unlink(copy)

    def raw_companions(self, path):
        """What belongs to a database that is kept as it is: it may hold its last rows."""
        kept = {}
        for end in ("-journal", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                kept[path + end] = self.store.keep(path + end)[0]
        return kept

    def verify(self, app, backup):
        """Read every content of a backup again; returns the paths that are not what they were."""
        record = self.load(app, backup)
        wanted = {p: s["sha256"] for p, s in record["files"].items() if s["kind"] == "file"}
        wanted.update({p: d["sha256"] for p, d in record["sqlite"].items() if d["sha256"]})
        for saved in record["sqlite"].values():
            wanted.update(saved.get("raw", {}))
        broken = []
        for path, sha in sorted(wanted.items()):
            try:
                if sha256_of(self.store.object_path(sha)) != sha:
                    broken.append(path)
            except OSError:
                broken.append(path)
        return {"id": record["id"], "checked": len(wanted), "broken": broken}

    def salvage(self, app, path, keep=False):
        """What can be had of a damaged database: a report, and kept in the store its content."""
        size = size_of(path) + size_of(path + "-wal")
        if os.path.islink(path):
            raise Refusal("OperationFailed", path, "is a link", "declare the file that it leads to")
        if not size_of(path):
            raise Refusal("OperationFailed", path, "is empty", "restore a backup of it")
        if size > MOST_SALVAGED or space_of(self.store.root)["free"] < 4 * size + ROOM:
            what = "is too large to be salvaged here: %d bytes" % size
            raise Refusal("OperationFailed", path, what, "salvage it by hand")
        good, at = "", 0.0
        with contextlib.suppress(Refusal):
            record = self.load(app, "good")
            saved = record["sqlite"].get(path, {})
            if saved.get("check") == "ok":
                good, at = self.store.object_path(saved["sha256"]), record["at"]
        folder = tempfile.mkdtemp(prefix="salvage-", dir=self.store.root)
        try:
            one = Salvage(path, good, folder)
            report = dict(one.build(), good_at=at)
            if keep:
                report["sha256"] = self.store.keep(one.made)[0]
            return report
        except (sqlite3.DatabaseError, Damaged) as error:
            raise Refusal("OperationFailed", path, "cannot be salvaged: %s" % error, "by hand")
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def prune(self, app, keep):
        """Drop all but the newest *keep*; the last good one stays, older good ones do not count.

        What was good before is also what was saved before the next change.
        """
        good = self.good(app)
        others = [r for r in self.listed(app) if r["id"] != good]
        before = [r["id"] for r in others if not r.get("as_good")]
        dropped = before[keep:] + [r["id"] for r in others if r.get("as_good")]
        for name in dropped:
            os.unlink(os.path.join(self.folder(app), name + ".json"))
        if dropped:
            self.collect()
        return dropped

    def collect(self):
        """Remove contents that no backup and no open operation names."""
        named = set()
        for app in os.listdir(self.store.path("backups")):
            for record in self.listed(app):
                named.update(state["sha256"] for state in record["files"].values())
                for found in record["sqlite"].values():
                    named.update([found["sha256"]], found.get("raw", {}).values())
        for record in self.store.operations():
            if record["state"] in ("applying", "applied", "putting back"):
                for change in record.get("changes", []):
                    named.update((change["before"]["sha256"], change["after"]["sha256"]))
                if record.get("saved"):
                    named.add(record["saved"])
                    named.update(s["sha256"] for s in saved_states(self.store, record).values())
        old = time.time() - 3600
        for folder, _, files in os.walk(self.store.path("objects")):
            for name in files:
                if os.path.basename(folder) + name not in named:
                    remove_older(os.path.join(folder, name), old)
        for folder in glob.glob(self.store.path("salvage-*")):
            if os.path.getmtime(folder) < old:
                shutil.rmtree(folder, ignore_errors=True)
        for folder in (self.store.root, self.store.path("ops")):
            for name in os.listdir(folder):
                if name.startswith(".autoloop-"):
                    remove_older(os.path.join(folder, name), old)

    def drift(self, args):
        """How the host differs from a backup, with the texts of the *texts* paths, both sides."""
        record = self.load(args["app"], args.get("backup", "good"))
        now = {}
        for root in record["trees"]:
            now.update(tree_states(root, record["exclude"]))
        for path in record["files"]:
            if path not in now:
                now[path] = file_state(path)
        changes = []
        for path in sorted(set(now) | set(record["files"])):
            then, current = record["files"].get(path, ABSENT), now.get(path, ABSENT)
            if then != current:
                changes.append(self.drifted(path, then, current, args.get("texts", [])))
        for path, saved in sorted(record["sqlite"].items()):
            changes.extend(self.drifted_database(path, saved))
        return {
            "backup": record["id"],
            "at": record["at"],
            "changes": changes,
            "sqlite": record["sqlite"],
            "newest": max([0.0] + [changed_at(p) for p in record["files"]]),
        }

    def drifted(self, path, then, current, texts):
        change = {"path": path, "good": then, "now": current}
        if path in texts:
            change["good_text"] = self.text(then)
            change["now_text"] = ""
            if current["kind"] == "file":
                change["now_text"] = read_file({"path": path})["text"]
        return change

    def drifted_database(self, path, saved):
        """A database whose file is gone, is another and much smaller one, or has another owner or
        mode. Its contents change all the time, and are no difference."""
        good, now = saved.get("state", ABSENT), file_state(path, content=False)
        if good["kind"] != "file":
            return []
        if now["kind"] == "file":
            other = os.stat(path).st_ino != saved.get("inode", os.stat(path).st_ino)
            if other and size_of(path) * 2 < saved["size"]:
                now = dict(now, sha256=sha256_of(path))
            elif all(now[key] == good[key] for key in ("mode", "uid", "gid")):
                return []
            else:
                now = dict(now, sha256=sha256_of(path))
                good = dict(good, sha256=now["sha256"])
        return [{"path": path, "good": good, "now": now}]

    def text(self, state):
        if state["kind"] != "file":
            return ""
        return read_file({"path": self.store.object_path(state["sha256"])})["text"]


def remove_older(path, moment):
    with contextlib.suppress(FileNotFoundError):  # another agent may collect as well
        if os.path.getmtime(path) < moment:
            os.unlink(path)


def copy_sqlite(source, target):
    """One moment of *source*, while others write. Python 3.6 has no backup interface."""
    if not hasattr(source, "backup"):
        source.isolation_level = None
        source.execute("begin")
        version = source.execute("pragma user_version").fetchone()[0]
        target.executescript("\n".join(source.iterdump()))
        target.execute("pragma user_version = %d" % version)
        return
    moved = [time.monotonic()]

    def give_up(status, _remaining, _total):
        if status not in (5, 6):  # SQLITE_BUSY, SQLITE_LOCKED
            moved[0] = time.monotonic()
        elif time.monotonic() - moved[0] > LOCKED_DATABASE_S:
            raise sqlite3.OperationalError("locked for %d s" % LOCKED_DATABASE_S)

    source.backup(target, pages=1024, progress=give_up)


def changed_at(path):
    try:
        return os.lstat(path).st_ctime
    except OSError:
        return 0.0


def summary(record):
    kept = {k: record[k] for k in ("id", "app", "at", "reason", "release", "bytes")}
    kept["files"] = sum(1 for s in record["files"].values() if s["kind"] == "file")
    kept["sqlite"] = {path: found["check"] for path, found in record["sqlite"].items()}
    return kept


# ---- damaged SQLite databases --------------------------------------------------------------


class Damaged(Exception):
    """A page or a row that is not what the file format says."""


def read_sqlite_check(args):
    """Whether a database is sound: ``ok``, what is wrong with it, or why that cannot be told.

    Looks through read-only connections that leave nothing behind; where a journal would have to be
    played first, at a copy.
    """
    path = args["path"]
    if not os.path.exists(path):
        return {"sound": None, "says": "does not exist"}
    ends = [end for end in ("-journal", "-wal") if size_of(path + end)]
    live = os.path.exists(path + "-shm")
    try:
        if "-journal" in ends or ("-wal" in ends and not live):
            room = space_of(tempfile.gettempdir())["free"]
            if sum(map(size_of, [path + end for end in SQLITE_ENDS])) * 2 > room:
                return {"sound": None, "says": "has a journal, and is too large to be copied"}
            with tempfile.TemporaryDirectory(prefix=".autoloop-") as folder:
                return checked(sqlite3.connect(copy_with_journals(path, folder)))
        option = "mode=ro" if live or not is_wal(path) else "immutable=1"
        return checked(open_sqlite(path, option))
    except sqlite3.DatabaseError as error:
        return {"sound": False if is_damage(error) else None, "says": str(error)}


def read_locks(args):
    """Who holds a lock on *path*: processes as `describe_process` tells them, with the ``kind`` of
    their lock (``READ``, ``WRITE``). From ``/proc/locks``, of this host's own processes."""
    found = os.stat(args["path"])
    wanted = "%02x:%02x:%d" % (os.major(found.st_dev), os.minor(found.st_dev), found.st_ino)
    with open("/proc/locks") as source:
        rows = [line.split() for line in source]
    held = {}
    for row in rows:
        if len(row) > 6 and row[5] == wanted and row[1] != "->" and row[4].isdigit():
            held[int(row[4])] = max(row[3], held.get(int(row[4]), ""))
    return [dict(describe_process(pid), kind=kind) for pid, kind in sorted(held.items()) if pid > 0]


def size_of(path):
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def is_wal(path):
    with open(path, "rb") as source:
        return source.read(20)[18:20] == b"\2\2"


def is_damage(error):
    return any(word in str(error) for word in ("malformed", "not a database", "corrupt"))


def open_sqlite(path, option):
    url = "file:%s?%s" % (urllib.parse.quote(path), option)
    return sqlite3.connect(url, uri=True, timeout=1)


def copy_with_journals(path, folder):
    """A copy of a database and of what belongs to it, all of one moment as far as can be told."""
    copy = os.path.join(folder, "copy.db")
    for _ in range(5):
        before = [stamp(path + end) for end in SQLITE_ENDS]
        for end in SQLITE_ENDS:
            with contextlib.suppress(FileNotFoundError):
                with open(path + end, "rb") as source, open(copy + end, "wb") as out:
                    copy_stream(source, out)
        if before == [stamp(path + end) for end in SQLITE_ENDS]:
            break
        time.sleep(0.1)
    return copy


def stamp(path):
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def checked(connection, deadline_s=CHECK_DATABASE_S):
    end = time.monotonic() + deadline_s
    connection.set_progress_handler(lambda: time.monotonic() > end, 10000)
    try:
        rows = [row[0] for row in connection.execute("pragma integrity_check(20)")]
    except sqlite3.DatabaseError as error:
        return {"sound": False if is_damage(error) else None, "says": str(error)}
    finally:
        connection.close()
    wrong = [row for row in rows if row != "ok" and not row.startswith(NO_DAMAGE)]
    return {"sound": not wrong, "says": "; ".join(wrong[:3])[:500] or "ok"}


class Pages:
    """A SQLite file read page by page. Where a page is not what it should be it is passed over.

    The file format is that of SQLite 3; all integers are big-endian.
    """

    def __init__(self, data):
        self.data = data
        size = struct.unpack(">H", data[16:18])[0]
        self.size = 65536 if size == 1 else size
        self.usable = self.size - data[20]
        self.count = len(data) // self.size
        kind = struct.unpack(">I", data[56:60])[0]
        self.encoding = {2: "utf-16-le", 3: "utf-16-be"}.get(kind, "utf-8")

    def page(self, number):
        if not 1 <= number <= self.count:
            raise Damaged("page %d" % number)
        return self.data[(number - 1) * self.size : number * self.size]

    def cells(self, number, kind):
        """The page and the offsets of its cells, if it is of *kind* (5: inner, 13: leaf)."""
        page, start = self.page(number), 100 if number == 1 else 0
        if page[start] != kind:
            raise Damaged("page %d" % number)
        head = start + (12 if kind == 5 else 8)
        count = struct.unpack(">H", page[start + 3 : start + 5])[0]
        if head + 2 * count > self.usable:
            raise Damaged("page %d" % number)
        return page, struct.unpack(">%dH" % count, page[head : head + 2 * count])

    def walk(self, root):
        """Pages of the table whose tree begins at *root*, its rows as far as they can be read (a
        dict of rowid to values), and whether nothing is amiss with any of them."""
        rows, seen, left, whole, last = {}, set(), [root], True, None
        while left:
            number = left.pop()
            whole = whole and number not in seen
            if number in seen:
                continue
            seen.add(number)
            try:
                left += reversed(self.children(number))
                continue
            except Damaged:
                pass
            found, sound = self.leaf(number)
            rows.update(found)
            if found:
                whole = whole and (last is None or min(found) > last)
                last = max(found)
            whole = whole and sound
        return seen, rows, whole

    def children(self, number):
        page, offsets = self.cells(number, 5)
        start = 100 if number == 1 else 0
        right = struct.unpack(">I", page[start + 8 : start + 12])[0]
        inner = [at for at in offsets if at + 4 <= self.usable]
        return [struct.unpack(">I", page[at : at + 4])[0] for at in inner] + [right]

    def leaf(self, number):
        """The rows of a leaf page that can be read, and whether these are all."""
        rows = {}
        try:
            page, offsets = self.cells(number, 13)
        except Damaged:
            return rows, False
        for at in offsets:
            with contextlib.suppress(Damaged, IndexError, ValueError, struct.error):
                size, at = varint(page, at)
                rowid, at = varint(page, at)
                rows[signed(rowid)] = self.record(self.payload(page, at, size))
        return rows, len(rows) == len(offsets)

    def payload(self, page, at, size):
        """The bytes of a row, collected over its overflow pages."""
        if size > len(self.data):
            raise Damaged("row")
        most, least = self.usable - 35, (self.usable - 12) * 32 // 255 - 23
        local = size
        if size > most:
            local = least + (size - least) % (self.usable - 4)
            local = local if local <= most else least
        data = bytes(page[at : at + local])
        if at + local > self.usable:
            raise Damaged("row")
        following = page[at + local : at + local + 4]
        while len(data) < size:
            more = self.page(struct.unpack(">I", following)[0])
            data += bytes(more[4 : min(self.usable, 4 + size - len(data))])
            following = more[:4]
        if size > local and following != b"\0\0\0\0":
            raise Damaged("row")
        return data

    def record(self, data):
        end, at = varint(data, 0)
        values, kinds = [], []
        while at < end:
            kind, at = varint(data, at)
            kinds.append(kind)
        for kind in kinds:
            size = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind] if kind < 10 else (kind - 12) // 2
            if kind in (10, 11) or at + size > len(data):
                raise Damaged("row")
            values.append(self.value(kind, data[at : at + size]))
            at += size
        if at != len(data):
            raise Damaged("row")
        return values

    def value(self, kind, data):
        if kind in (0, 8, 9):
            return {0: None, 8: 0, 9: 1}[kind]
        if kind == 7:
            return struct.unpack(">d", data)[0]
        if kind < 7:
            return int.from_bytes(data, "big", signed=True)
        return data.decode(self.encoding) if kind % 2 else data

    def free(self):
        """The pages that belong to nothing: what is on them was deleted."""
        found, trunk = set(), struct.unpack(">I", self.data[32:36])[0]
        while trunk and trunk not in found and trunk <= self.count:
            found.add(trunk)
            page = self.page(trunk)
            following, count = struct.unpack(">II", page[:8])
            count = min(count, self.usable // 4 - 2)
            found.update(struct.unpack(">%dI" % count, page[8 : 8 + 4 * count]))
            trunk = following
        return found


def varint(data, at):
    value = 0
    for n in range(9):
        byte = data[at + n]
        if n == 8:
            return value << 8 | byte, at + 9
        value = value << 7 | byte & 127
        if byte < 128:
            return value, at + n + 1
    raise Damaged("number")


def signed(number):
    return number - (1 << 64) if number >> 63 else number


def quoted(name):
    return '"%s"' % name.replace('"', '""')


class Salvage:
    """Makes a sound database of a damaged one and of its last good copy.

    Rows come from the damaged file wherever they can be read there: by SQLite, else page by page.
    A row that cannot is taken from the copy. Which rows there were is told by the table's indexes,
    which are trees of their own: with one of them whole, a salvage can be proved complete, and no
    row comes back that was deleted since the copy was made.
    """

    def __init__(self, path, good, folder):
        self.good = good
        self.made = os.path.join(folder, "made.db")
        self.copy = copy_with_journals(path, folder)
        self.mended = ""
        self.tables = {}
        self.open_copy()

    def open_copy(self):
        """Let SQLite play the journals; where it takes the file for none, mend its first page."""
        for part in ("", "header", "first page"):
            try:
                if part:
                    self.mend(part)
                with contextlib.closing(sqlite3.connect(self.copy)) as database:
                    database.execute("select * from sqlite_master").fetchall()
                    with contextlib.suppress(sqlite3.DatabaseError):
                        database.execute("pragma wal_checkpoint(truncate)").fetchall()
                    return
            except sqlite3.DatabaseError as error:
                if not is_damage(error) or not self.good or part == "first page":
                    raise

    def mend(self, part):
        """Take the header, or the whole first page, from the good copy: it is seldom written."""
        with open(self.good, "rb") as source:
            head = source.read(100)
            page = struct.unpack(">H", head[16:18])[0]
            page = 65536 if page == 1 else page
            rest = source.read(page - 100) if part == "first page" else b""
        count = struct.pack(">III", os.path.getsize(self.copy) // page, 0, 0)
        with open(self.copy, "r+b") as out:
            out.write(head[:28] + count + head[40:92] + head[24:28] + head[96:] + rest)
        self.mended = part

    def build(self):
        """Make it; returns what became of each table, and whether all of it is there.

        Without a transaction: in one, SQLite writes nothing more once it has read damage.
        """
        url = "file:%s?immutable=1"
        self.database = sqlite3.connect(self.made, isolation_level=None, uri=True)
        with contextlib.closing(self.database), open(self.copy, "rb") as source:
            self.pages = Pages(mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ))
            self.settle()
            self.run("attach ? as was", url % urllib.parse.quote(self.copy))
            if self.good:
                self.run("attach ? as good", url % urllib.parse.quote(self.good))
            self.rebuild()
            said = "; ".join(row[0] for row in self.run("pragma main.integrity_check(5)"))
            if is_wal(self.copy):
                self.run("pragma main.journal_mode = wal")
        if said != "ok":
            raise sqlite3.DatabaseError("what was salvaged is not sound: %s" % said[:300])
        whole = not self.mended and all(told["lost"] == 0 for told in self.tables.values())
        return {"tables": self.tables, "complete": whole, "mended": self.mended}

    def run(self, sql, *values):
        return self.database.execute(sql, values).fetchall()

    def settle(self):
        """Settings of the file that its content depends on; before there is any."""
        with contextlib.closing(sqlite3.connect(self.copy)) as copy:
            for name in ("encoding", "page_size", "auto_vacuum", "user_version", "application_id"):
                value = copy.execute("pragma %s" % name).fetchone()[0]
                self.run("pragma main.%s = '%s'" % (name, value))
        self.run("pragma main.journal_mode = memory")
        self.run("pragma main.synchronous = off")

    def rebuild(self):
        schema = self.run(
            "select type, name, rootpage, sql from was.sqlite_master"
            " where sql is not null and name not like 'sqlite\\_%' escape '\\' order by rowid"
        )
        self.roots = {name: root for kind, name, root, _ in schema if kind == "table"}
        if not all(self.roots.values()):
            raise sqlite3.DatabaseError("it has virtual tables, which cannot be salvaged")
        for kinds, step in (
            (("table",), self.read_rows),
            (("index",), self.fetch_rows),
            (("view", "trigger"), None),
        ):
            for kind, _, _, sql in schema:
                if kind in kinds:
                    self.run(sql)
            for name in self.roots if step else ():
                step(name)
        self.copy_sequences()

    # -- rows of the damaged file

    def read_rows(self, table):
        key, columns = self.columns(table)
        told = {"readable": 0, "from_backup": 0, "lost": 0, "damaged": False}
        self.tables[table] = told
        if key and not self.sound(table):
            self.read_pages(table, key)
        else:
            names = ", ".join([key] * bool(key) + [quoted(c) for c in columns])
            try:
                self.run(
                    "insert into main.%s (%s) select %s from was.%s"
                    % (quoted(table), names, names, quoted(table))
                )
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise
                told["damaged"] = True
        told["readable"] = self.count(table)

    def sound(self, table):
        """Whether SQLite finds nothing amiss; older ones look at all tables, whichever is asked."""
        try:
            rows = self.run("pragma was.integrity_check(%s)" % quoted(table))
        except sqlite3.DatabaseError:
            return False
        return all(row[0] == "ok" or row[0].startswith(NO_DAMAGE) for row in rows)

    def read_pages(self, table, key):
        """Rows of the table's own pages; then of pages that nothing leads to any more, as far as
        an index says that they are rows of this table."""
        _, rows, whole = self.pages.walk(self.roots[table])
        self.insert(table, key, rows)
        known = None if whole else self.known(table, key)
        self.tables[table]["damaged"] = not whole
        if known is None or known[1].keys() <= rows.keys():
            return
        names, wanted = known
        places = [self.stored(table).index(name) for name in names]
        for number in self.orphans():
            found = {
                rowid: values
                for rowid, values in self.pages.leaf(number)[0].items()
                if rowid not in rows
                and rowid in wanted
                and max(places) < len(values)
                and same_values([values[at] for at in places], wanted[rowid], rowid)
            }
            self.insert(table, key, found)

    def insert(self, table, key, rows):
        stored, (_, kept) = self.stored(table), self.columns(table)
        for rowid, values in rows.items():
            if len(values) > len(stored):
                continue
            pairs = [pair for pair in zip(stored, values) if pair[0] in kept]
            names = ", ".join([key] + [quoted(name) for name, _ in pairs])
            marks = ", ".join("?" * (len(pairs) + 1))
            self.run(
                "insert or ignore into main.%s (%s) values (%s)" % (quoted(table), names, marks),
                rowid,
                *[value for _, value in pairs],
            )

    def orphans(self):
        """Leaf pages of tables that no tree leads to, without those that were given up."""
        if not hasattr(self, "lonely"):
            roots = [row[0] for row in self.run("select rootpage from was.sqlite_master")]
            owned = self.pages.free()
            for root in [1] + [root for root in roots if root]:
                owned |= self.pages.walk(root)[0]
            everything = range(2, self.pages.count + 1)
            self.lonely = [n for n in everything if n not in owned]
        return self.lonely

    # -- rows of the good copy

    def fetch_rows(self, table):
        """What an index knows and could not be read; without an index, all that is not there."""
        key, columns = self.columns(table)
        told = self.tables[table]
        if not told["damaged"]:
            return
        known = self.known(table, key) if key else None
        gone = set()
        if known:
            have = self.run("select %s from main.%s" % (key, quoted(table)))
            gone = known[1].keys() - {row[0] for row in have}
        if self.good and self.run("select 1 from good.sqlite_master where name = ?", table):
            there = {row[1] for row in self.run("pragma good.table_info(%s)" % quoted(table))}
            common = [key] * bool(key) + [quoted(c) for c in columns if c in there]
            sql = "insert or ignore into main.{0} ({1}) select {1} from good.{0}"
            sql = sql.format(quoted(table), ", ".join(common))
            if known:
                for rowid in gone:
                    self.run("%s where %s = ?" % (sql, key), rowid)
            else:
                self.run(sql)
        told["from_backup"] = self.count(table) - told["readable"]
        told["lost"] = len(gone) - told["from_backup"] if known else None

    def known(self, table, key):
        """Names and values of the columns of one of its indexes, by rowid; None without one."""
        for _, name, _, _, partial in self.run("pragma was.index_list(%s)" % quoted(table)):
            names = [row[2] for row in self.run("pragma was.index_info(%s)" % quoted(name))]
            if partial or None in names:
                continue
            asked = ", ".join([key] + [quoted(n) for n in names])
            with contextlib.suppress(sqlite3.DatabaseError):
                rows = self.run(
                    "select %s from was.%s indexed by %s" % (asked, quoted(table), quoted(name))
                )
                return names, {row[0]: row[1:] for row in rows}
        return None

    # -- what is known of tables

    def stored(self, table):
        return [row[1] for row in self.run("pragma main.table_info(%s)" % quoted(table))]

    def columns(self, table):
        """The name of its rowid ("" without one), and its columns that are no other name of it."""
        rows = self.run("pragma main.table_info(%s)" % quoted(table))
        names = [row[1] for row in rows]
        taken = {name.lower() for name in names}
        key = next((k for k in ("rowid", "_rowid_", "oid") if k not in taken), "")
        if key:
            try:
                self.run("select %s from main.%s limit 1" % (key, quoted(table)))
            except sqlite3.OperationalError:
                return "", names
        made = {row[3] for row in self.run("pragma main.index_list(%s)" % quoted(table))}
        alias = [row[1] for row in rows if row[5] and row[2].upper() == "INTEGER"]
        if key and len([row for row in rows if row[5]]) == 1 and alias and "pk" not in made:
            names.remove(alias[0])
        return key, names

    def count(self, table):
        return self.run("select count(*) from main.%s" % quoted(table))[0][0]

    def copy_sequences(self):
        """So that no number is given twice."""
        for name, number in (
            self.run("select name, seq from was.sqlite_sequence")
            if self.run("select 1 from was.sqlite_master where name = 'sqlite_sequence'")
            else ()
        ):
            self.run("delete from main.sqlite_sequence where name = ?", name)
            self.run("insert into main.sqlite_sequence values (?, ?)", name, number)


def same_values(found, wanted, rowid):
    """Whether a row's values are those of an index; a rowid's other name is stored as nothing."""
    pairs = zip(found, wanted)
    return all(one == other or (one is None and other == rowid) for one, other in pairs)


# ---- changing the host ---------------------------------------------------------------------


class Worker:
    """Carries operations out, once each, under the target's lock."""

    def __init__(self, store):
        self.store = store
        self.backups = Backups(store)
        self.locks = {}
        self.changing = threading.Lock()

    # -- lock

    def lock(self, args, cancel):
        name, fence = args["name"], int(args["fence"])
        if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", name):
            raise Refusal("AgentRefused", "lock " + name[:80], "is not a usable name")
        if name in self.locks:
            return {"fence": self.locks[name][1], "recovered": []}
        handle = os.open(self.store.path("locks", name), os.O_RDWR | os.O_CREAT, 0o600)
        deadline = time.monotonic() + float(args.get("wait_s", 0))
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline or cancel.is_set():
                    os.close(handle)
                    raise Refusal("TargetBusy", "lock " + name, "another run holds it", "wait")
                time.sleep(0.05)
        last = int(os.pread(handle, 32, 0) or b"0")
        if last > fence:
            os.close(handle)
            raise Refusal("StaleFence", "lock " + name, "number %d was here" % last, "start anew")
        os.pwrite(handle, b"%-32d" % fence, 0)
        os.fsync(handle)
        try:
            with self.changing:
                recovered = self.recover(name, args.get("owner", ""))
                self.store.keep_room()
        except BaseException:
            os.close(handle)  # nobody changes a target that could not be put in order
            raise
        self.locks[name] = (handle, fence)
        return {"fence": fence, "recovered": recovered}

    def unlock(self, args, _cancel):
        with self.changing:  # what is under way ends first
            held = self.locks.pop(args["name"], None)
            if held:
                os.close(held[0])
        return {}

    def check_lock(self, args):
        held = self.locks.get(args.get("lock", ""))
        if held is None:
            place = "operation %s" % args.get("op")
            raise Refusal("AgentRefused", place, "the target's lock is not held", "take it first")
        if int(os.pread(held[0], 32, 0)) != held[1]:
            raise Refusal("StaleFence", "lock " + args["lock"], "a later holder was here", "stop")

    def recover(self, name, owner):
        """Put back what was left half done, and what another run left unsettled.

        What *owner*'s own operations have fully applied stays: that run goes on with it. The
        latest operation goes first, so that one upon another comes off in turn. What another run
        left is made seen by its *wake* commands, when all is back.
        """
        recovered, wake = [], []
        records = list(self.store.operations())
        for record in sorted(records, key=lambda r: r.get("began", r["at"]), reverse=True):
            if record.get("lock") != name or record["kind"] not in ("files", "guarded"):
                continue
            mine = owner and record["op"].startswith(owner + "/")
            if record["state"] == "applied" and self.is_part(record):
                continue
            if record["state"] in ("applying", "putting back") or (
                record["state"] == "applied" and not mine
            ):
                self.put_back(record)
                recovered.append(record["op"])
                wake += [] if mine else record.get("wake", [])
        self.wake(wake)
        return recovered

    def is_part(self, record):
        """Whether it belongs to an operation that was committed: both are wanted, or neither."""
        whole = self.store.load_op(record["part_of"]) if record.get("part_of") else None
        return whole is not None and whole["state"] == "committed"

    @staticmethod
    def wake(commands):
        """Services see what was put back. One that does not start is found by whoever looks."""
        told = []
        for command in commands:
            if command["argv"] not in told:
                told.append(command["argv"])
                run_program(command["argv"], command["timeout_s"])

    # -- operations

    def do(self, args, cancel):
        self.check_lock(args)
        op, action = args["op"], args["action"]
        with self.changing:
            self.check_lock(args)
            record = self.store.load_op(op)
            if record is not None and record["state"] in ("done", "applied", "committed"):
                return done(record, repeated=True)
            if record is not None and record["state"] == "failed" and record["kind"] == "command":
                return done(record, repeated=True)
            again = action["kind"] in ("files", "guarded", "salvage")
            if record is not None and record["state"] == "failed" and again:
                record = None
            handler = getattr(self, "do_" + action["kind"], None)
            if handler is None:
                place = "operation " + op
                raise Refusal("AgentRefused", place, "unknown kind '%s'" % action["kind"])
            base = {"op": op, "kind": action["kind"], "lock": args["lock"], "value": {}}
            base["began"] = time.time()
            return done(handler(base, record, action, cancel))

    def do_files(self, base, record, action, _cancel):
        changes = action["changes"]
        if record is not None and record["state"] in ("applying", "putting back"):
            self.put_back(record)
        drifted = differing(changes, "before")
        if drifted and not differing(changes, "after"):
            record = dict(base, state="applied", changes=[], value={"changed": []})
            self.store.save_op(record)
            return record
        if drifted:
            what = "changed since the plan was made: " + ", ".join(drifted[:5])
            raise Refusal("Drifted", "operation " + base["op"], what, "diagnose again")
        for change in changes:
            wanted = change["after"]
            if wanted["kind"] == "file" and not self.store.has(wanted["sha256"]):
                raise Refusal("AgentRefused", change["path"], "its content was not sent", "send it")
            before = change["before"]
            if before["kind"] == "file" and self.store.keep(change["path"])[0] != before["sha256"]:
                what = "changed since the plan was made: " + change["path"]
                raise Refusal("Drifted", "operation " + base["op"], what, "diagnose again")
        record = dict(base, state="applying", changes=changes, wake=bare(action.get("wake")))
        self.store.save_op(record)
        trouble = put_all(self.store, changes, "after")
        if not trouble:
            trouble = ["not as wanted afterwards: " + p for p in differing(changes, "after")]
        if trouble:
            why = ", ".join(trouble[:5])
            self.put_back(record, state="failed", why=why)
            what = "%s; everything was put back" % why
            raise Refusal("OperationFailed", "operation " + base["op"], what, "mend the cause")
        record["state"] = "applied"
        record["value"] = dict(record["value"], changed=[c["path"] for c in changes])
        self.store.save_op(record)
        return record

    def put_back(self, record, state="reverted", why=""):
        if record["kind"] == "guarded":
            self.put_back_guarded(record, state, why)
            return
        place = "operation " + record["op"]
        for change in record["changes"]:
            then = change["before"]
            if then["kind"] == "file" and not self.store.has(then["sha256"]):
                what = "the old content of %s is no longer kept" % change["path"]
                raise Refusal("OperationFailed", place, what, "restore the backup by hand")
        record["state"] = "putting back"
        self.store.save_op(record)
        trouble = put_all(self.store, record["changes"], "before")
        left = differing(record["changes"], "before")
        if left:
            why = "; ".join(trouble[:3])
            what = "could not be put back: %s (%s)" % (", ".join(left[:5]), why)
            raise Refusal("OperationFailed", place, what, "restore the backup by hand")
        record["state"] = state
        record["value"] = {"put_back": [c["path"] for c in record["changes"]], "why": why}
        self.store.save_op(record)

    def revert(self, args, _cancel):
        self.check_lock(args)
        with self.changing:
            record = self.own_op(args)
            if record is None or record["kind"] not in ("files", "guarded"):
                return {"op": args["op"], "outcome": "not done", "value": {}}
            if record["kind"] == "guarded" and record["state"] == "failed":
                return done(record)  # it was put back when it failed
            if record["state"] != "reverted":
                self.put_back(record)
            return done(record)

    # -- programs under guard

    def do_guarded(self, base, record, action, cancel):
        """Run programs. The folders and databases that they change go back with the operation."""
        if record is not None and record["state"] in ("applying", "putting back"):
            self.put_back(record)
        record = dict(base, state="applying", saved="", app=action["app"])
        record.update((name, bare(action.get(name))) for name in ("stop", "undo", "wake"))
        for name in ("sqlite", "trees"):
            record[name] = action.get(name, [])
        record["part_of"] = action.get("part_of", "")
        self.store.save_op(record)
        began = time.time()
        try:
            self.run_all(base["op"], record["stop"], cancel)
            before = self.save_guarded(record)
            record["stopped"] = began
            self.store.save_op(record)
            self.run_all(base["op"], action["run"], cancel)
        except (Refusal, OSError) as error:
            why = error.body["what"] if isinstance(error, Refusal) else describe(error)
            self.put_back(record, state="failed", why=why)
            what = "%s; everything was put back" % why
            raise Refusal("OperationFailed", "operation " + base["op"], what, "mend the cause")
        record["state"] = "applied"
        record["value"] = {"folders": folders_changed(before, record["trees"]), "began": began}
        self.store.save_op(record)
        return record

    def save_guarded(self, record):
        """Keep the folders and databases; their states are an object of their own."""
        states = {}
        for root in record["trees"]:
            states.update(tree_states(root, []))
        self.store.keep_tree(states)
        for path in record["sqlite"]:
            found = self.backups.save_sqlite(path)
            if found["check"] not in ("ok", "absent"):
                what = "cannot be saved first: " + found["check"]
                raise Refusal("OperationFailed", path, "%s %s" % (path, what))
            states[path] = found["state"]
            for companion in companions(path):
                states[companion] = dict(ABSENT)
        record["saved"] = self.store.keep_bytes(json.dumps(states).encode())
        return states

    @staticmethod
    def run_all(op, commands, cancel=None):
        for command in commands:
            done = run_program(command["argv"], command["timeout_s"], command.get("env"), cancel)
            if done["timed_out"] or done["code"] not in command.get("ok_codes", [0]):
                said = (done["err"] or done["out"]).strip()[-600:]
                how = "took too long" if done["timed_out"] else "exit code %d" % done["code"]
                what = "%s: %s: %s" % (" ".join(command["argv"])[:200], how, said)
                raise Refusal("OperationFailed", "operation " + op, what)

    def put_back_guarded(self, record, state, why):
        """Writers stop, databases and folders become what they were; the newer data is kept."""
        place = "operation " + record["op"]
        wanted = saved_states(self.store, record)
        for path, then in wanted.items():
            if then["kind"] == "file" and not self.store.has(then["sha256"]):
                what = "the old content of %s is no longer kept" % path
                raise Refusal("OperationFailed", place, what, "restore the backup by hand")
        ran = bool(record["saved"])
        lived = record.setdefault("lived", record["state"] == "applied")
        record["state"] = "putting back"
        self.store.save_op(record)
        value = {"why": why, "put_back": record["trees"] + record["sqlite"]}
        if ran:
            self.run_all(record["op"], record["stop"])
            value["stopped"] = time.time()
            if record["sqlite"] and lived:
                value["left"] = self.keep_what_is_left(record)
            elif not record["sqlite"]:
                self.run_all(record["op"], record["undo"])
        now = {}
        for root in record["trees"] if ran else []:
            now.update(tree_states(root, []))
        absent = dict(ABSENT)
        changes = [
            {"path": path, "after": wanted.get(path, absent)}
            for path in sorted(set(now) | set(wanted))
            if now.get(path) != wanted.get(path, absent)
        ]
        trouble = put_all(self.store, changes, "after")
        left = differing(changes, "after")
        if left:
            what = "could not be put back: %s (%s)" % (", ".join(left[:5]), "; ".join(trouble[:3]))
            raise Refusal("OperationFailed", place, what, "restore the backup by hand")
        record["state"], record["value"] = state, value
        self.store.save_op(record)

    def keep_what_is_left(self, record):
        """A backup of the databases as they are before they go back: what users wrote is in it."""
        reason = record["op"].split("/")[0] + ": the databases before they were put back"
        asked = {"app": record["app"], "sqlite": record["sqlite"], "reason": reason}
        try:
            return self.backups.save(asked)["id"]
        except (OSError, sqlite3.Error) as error:
            return "not kept: " + describe(error)

    def own_op(self, args):
        record = self.store.load_op(args["op"])
        if record is not None and record["lock"] != args["lock"]:
            place = "operation " + args["op"]
            raise Refusal("AgentRefused", place, "is under lock '%s'" % record["lock"], "take it")
        return record

    def commit(self, args, _cancel):
        self.check_lock(args)
        with self.changing:
            record = self.own_op(args)
            if record is None:
                return {"op": args["op"], "outcome": "not done", "value": {}}
            if record["state"] == "applied":
                record["state"] = "committed"
                self.store.save_op(record)
            self.store.forget_old_operations()
            return done(record)

    def do_salvage(self, base, record, action, _cancel):
        """Put what can be salvaged of a database in its place; nobody may write to it meanwhile."""
        if record is not None and record["state"] in ("applying", "putting back"):
            self.put_back(record)
        path, place = action["path"], "operation " + base["op"]
        states = [(path + end, file_state(path + end)) for end in SQLITE_ENDS]
        report = self.backups.salvage(action["app"], path, keep=True)
        if action["complete"] and not report["complete"]:
            what = "%s can no longer be salvaged completely" % path
            raise Refusal("Drifted", place, what, "diagnose again")
        sha = report.pop("sha256")
        changes = [
            {"path": at, "before": seen, "after": dict(seen, sha256=sha) if at == path else ABSENT}
            for at, seen in states
            if seen["kind"] != "absent"
        ]
        files = {"changes": changes, "wake": action.get("wake")}
        return self.do_files(dict(base, kind="files", value=report), None, files, None)

    def do_command(self, base, record, action, cancel):
        witness = action.get("witness") or []
        if record is not None and record["state"] == "started":
            if witness and self.seen(base["op"], witness) != record["witness"]:
                record.update(state="done", value={"code": 0, "lost": True})
                self.store.save_op(record)
                return record
            if not witness and not action.get("idempotent"):
                place = "operation " + base["op"]
                what = "was started, its outcome is unknown and it may not run twice"
                raise Refusal("OperationFailed", place, what, "look at the host, then decide")
        seen = self.seen(base["op"], witness) if witness else ""
        record = dict(base, state="started", witness=seen, argv=action["argv"])
        self.store.save_op(record)
        value = run_program(action["argv"], action["timeout_s"], action.get("env"), cancel)
        record["value"] = dict(value, out=value["out"][-4000:], err=value["err"][-4000:])
        good = value["code"] in action.get("ok_codes", [0]) and not value["timed_out"]
        record["state"] = "done" if good else "failed"
        self.store.save_op(record)
        return record

    @staticmethod
    def seen(op, witness):
        """What the witness says. One that cannot speak proves nothing, neither way."""
        said = run_program(witness, 15)
        if said["timed_out"] or said["code"] == 127:
            what = "its witness cannot be asked: %s" % (said["err"][-200:] or "no answer in 15 s")
            raise Refusal("OperationFailed", "operation " + op, what, "look at the host")
        return said["out"]

    def do_process(self, base, record, action, cancel):
        pid, started = int(action["pid"]), int(action["started"])
        if pid in ancestors(os.getpid()) or pid <= 1:
            raise Refusal("AgentRefused", "process %d" % pid, "is this connection's own", "stop")
        described = describe_process(pid) if started_ticks(pid) == started else {}
        if record is None:
            record = dict(base, state="started", value={"process": described})
            self.store.save_op(record)
        for number, wait_s in ((signal.SIGTERM, action["grace_s"]), (signal.SIGKILL, 5)):
            if started_ticks(pid) != started or cancel.is_set():
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            self.wait_gone(pid, started, wait_s, cancel)
        gone = started_ticks(pid) != started
        record["state"] = "done" if gone else "failed"
        self.store.save_op(record)
        return record

    @staticmethod
    def wait_gone(pid, started, wait_s, cancel):
        deadline = time.monotonic() + wait_s
        while started_ticks(pid) == started and time.monotonic() < deadline:
            if cancel.is_set():
                return
            time.sleep(0.02)

    def do_remove(self, base, record, action, _cancel):
        """Remove the files that are still those that were seen; what is gone stays gone."""
        if record is None:
            self.store.make_room()
            record = dict(base, state="started", value={"removed": [], "left": [], "bytes": 0})
            self.store.save_op(record)
        value = record["value"]
        for wanted in action["files"]:
            path = wanted["path"]
            try:
                found = os.lstat(path)
            except FileNotFoundError:
                continue
            if identity(path, found) != wanted or os.path.realpath(path) != path:
                value["left"].append(path)
                continue
            os.unlink(path)
            value["removed"].append(path)
            value["bytes"] += wanted["bytes"]
        record["state"] = "done"
        self.store.save_op(record)
        return record

    def do_backup(self, base, _record, action, _cancel):
        value = self.backups.save(action)
        self.store.save_op(dict(base, state="done", value=value))
        self.backups.prune(action["app"], int(action.get("keep", 5)))
        return dict(base, state="done", value=value)

    def mark_good(self, args, _cancel):
        self.check_lock(args)
        record = self.backups.load(args["app"], args["backup"])
        self.backups.mark_good(args["app"], record["id"])
        return {"good": record["id"]}


def bare(commands):
    """Commands as the journal may hold them: without their environment."""
    return [{k: c[k] for k in ("argv", "timeout_s", "ok_codes") if k in c} for c in commands or []]


def companions(path):
    """Files beside a SQLite database that belong to its present content."""
    return [path + ending for ending in ("-wal", "-shm", "-journal")]


def saved_states(store, record):
    """What an operation under guard saved before it ran anything."""
    if not record.get("saved"):
        return {}
    with open(store.object_path(record["saved"]), encoding="utf-8") as source:
        return json.load(source)


def folders_changed(before, roots):
    """Folders that came and went: an installed package has one that bears its name and version."""
    now = set()
    for root in roots:
        for folder, _, _ in os.walk(root):
            now.add(folder)
    then = {p for p, s in before.items() if s["kind"] == "dir"}
    return {"gone": sorted(then - now)[:1000], "made": sorted(now - then)[:1000]}


OUTCOMES = {
    "started": "half",
    "applying": "half",
    "putting back": "half",
    "applied": "done",
    "committed": "done",
    "done": "done",
    "reverted": "reverted",
    "failed": "failed",
}


def done(record, repeated=False):
    return {
        "op": record["op"],
        "outcome": OUTCOMES[record["state"]],
        "value": record.get("value", {}),
        "repeated": repeated,
    }


# ---- frames --------------------------------------------------------------------------------


class Agent:
    """Reads frames, answers each call from a thread of its own, ends with its input."""

    def __init__(self, source, sink):
        self.source, self.sink = source, sink
        self.writing = threading.Lock()
        self.cancels = {}
        self.heard = time.monotonic()
        self.worker = None
        self.reads = {
            "run": read_run,
            "file": read_file,
            "listeners": read_listeners,
            "http": read_http,
            "sqlite": read_sqlite,
            "reach": reach.read_reach,
            "certificates": certificates.read_certificates,
            "facts": read_facts,
            "disks": read_disks,
            "memory": read_memory,
            "sqlite_check": read_sqlite_check,
            "locks": read_locks,
            "removable": read_removable,
            "biggest": read_biggest,
            "stat": read_stat,
            "tree": read_tree,
        }

    def open_store(self, root):
        if not root:
            home = os.path.expanduser("~/.local/state/autoloop-agent")
            root = "/var/lib/autoloop-agent" if os.geteuid() == 0 else home
        worker = self.worker = Worker(Store(root))
        backups, store = worker.backups, worker.store
        self.reads.update(
            drift=backups.drift,
            backups=lambda args: [
                dict(summary(r), good=r["id"] == backups.good(args["app"]))
                for r in backups.listed(args["app"])
            ],
            backup=lambda args: backups.load(args["app"], args["backup"]),
            salvage=lambda args: backups.salvage(args["app"], args["path"]),
            verify_backup=lambda args: backups.verify(args["app"], args["backup"]),
            missing=lambda args: [sha for sha in args["objects"] if not store.has(sha)],
            content=lambda args: read_file(dict(args, path=store.object_path(args["sha256"]))),
            outcome=lambda args: done(
                store.load_op(args["op"]) or {"op": args["op"], "state": "none"}
            ),
        )
        OUTCOMES["none"] = "not done"
        return root

    def send(self, head, body=b""):
        data = json.dumps(head).encode()
        if len(data) > ANSWER_LIMIT:
            raise Refusal(
                "AgentRefused", "answer", "of %d bytes is too large" % len(data), "ask less"
            )
        with self.writing:
            self.sink.write(struct.pack(">II", len(data), len(body)) + data + body)
            self.sink.flush()

    def receive(self):
        lengths = self.source.read(8)
        if len(lengths) < 8:
            return None, b""
        head_size, body_size = struct.unpack(">II", lengths)
        if head_size > HEAD_LIMIT or body_size > BODY_LIMIT:
            raise ValueError("frame of %d + %d bytes is too large" % (head_size, body_size))
        head = json.loads(self.source.read(head_size).decode())
        return head, self.source.read(body_size)

    def serve(self):
        threading.Thread(target=self.watch_silence, daemon=True).start()
        while True:
            head, body = self.receive()
            if head is None:
                return
            self.heard = time.monotonic()
            if head["kind"] == "cancel":
                cancel = self.cancels.get(head["id"])
                if cancel:
                    cancel.set()
            elif head["kind"] == "call":
                cancel = self.cancels[head["id"]] = threading.Event()
                args = (head, body, cancel)
                threading.Thread(target=self.answer, args=args, daemon=True).start()

    def watch_silence(self):
        while time.monotonic() - self.heard < SILENCE_S:
            time.sleep(5)
        end(75)

    def answer(self, head, body, cancel):
        number = head["id"]
        try:
            self.send({"kind": "result", "id": number, "value": self.call(head, body, cancel)})
        except Exception as error:
            refusal = error
            if not isinstance(error, Refusal):
                refusal = Refusal("AgentRefused", str(head.get("op", "?"))[:80], describe(error))
            with contextlib.suppress(OSError, ValueError):
                self.send({"kind": "error", "id": number, "error": refusal.body})
        finally:
            self.cancels.pop(number, None)

    def call(self, head, body, cancel):
        op, args = head["op"], head.get("args", {})
        for option in ("twin", "run_as"):
            if head.get(option):
                raise Refusal("AgentRefused", op, "option '%s' is not known yet" % option)
        if op == "hello":
            return self.hello(args)
        if op == "ping":
            return {}
        if self.worker is None:
            raise Refusal("AgentRefused", op, "the first call must be 'hello'", "say hello")
        if op == "batch":
            return self.read_all(args["reads"], cancel)
        if op == "put":
            return self.put(args, body)
        if op in ("lock", "unlock", "do", "revert", "commit", "mark_good"):
            return getattr(self.worker, op)(args, cancel)
        raise Refusal("AgentRefused", op, "is not an operation of protocol 1", "upgrade")

    def hello(self, args):
        common = [number for number in args.get("protocols", []) if number in PROTOCOLS]
        if not common:
            what = "speaks %s, this is %s" % (args.get("protocols"), PROTOCOLS)
            raise Refusal("AgentRefused", "hello", what, "upgrade")
        if self.worker is not None:
            raise Refusal("AgentRefused", "hello", "was said before", "say it once")
        root = self.open_store(args.get("state_dir", ""))
        return dict(read_facts({}), protocol=max(common), state_dir=root)

    def read_all(self, reads, cancel):
        """The answers, in the order of the reads. What waits for others waits at the same time."""
        answers = [None] * len(reads)
        waiting = [n for n, read in enumerate(reads) if read.get("op") in WAITING]
        others = [n for n in range(len(reads)) if n not in waiting]
        left = iter(waiting)

        def answer_next(numbers):
            for n in numbers:
                answers[n] = self.read_one(reads[n], cancel)

        threads = [
            threading.Thread(target=answer_next, args=(left,), daemon=True)
            for _ in waiting[:AT_ONCE]
        ]
        for thread in threads:
            thread.start()
        answer_next(others)
        for thread in threads:
            thread.join()
        return answers

    def read_one(self, read, cancel):
        reader = self.reads.get(read.get("op"))
        if reader is None:
            return {"ok": False, "error": "no read is called '%s'" % read.get("op")}
        if cancel.is_set():
            return {"ok": False, "error": "the call was cancelled"}
        try:
            if reader is read_run:
                return {"ok": True, "value": read_run(read.get("args", {}), cancel)}
            return {"ok": True, "value": reader(read.get("args", {}))}
        except Refusal as refusal:
            return {"ok": False, "error": "%(what)s" % refusal.body, "value": refusal.body["error"]}
        except Exception as error:
            return {"ok": False, "error": describe(error)}

    def put(self, args, body):
        """Contents, one after the other in the body; a piece of a large one has an offset."""
        store, start = self.worker.store, 0
        for piece in args["pieces"]:
            data = body[start : start + piece["size"]]
            start += piece["size"]
            if store.refresh(piece["sha256"]):
                continue
            if piece["size"] == piece["total"]:
                if store.keep_bytes(data) != piece["sha256"]:
                    raise Refusal("AgentRefused", "object " + piece["sha256"], "arrived damaged")
                continue
            partial = store.object_path(piece["sha256"]) + ".part"
            os.makedirs(os.path.dirname(partial), mode=0o700, exist_ok=True)
            with open(partial, "r+b" if os.path.exists(partial) else "w+b") as out:
                out.seek(piece["offset"])
                out.write(data)
            if piece["offset"] + piece["size"] == piece["total"]:
                try:
                    if store.keep(partial)[0] != piece["sha256"]:
                        raise Refusal("AgentRefused", "object " + piece["sha256"], "is damaged")
                finally:
                    os.unlink(partial)
        return {"bytes": start}


def describe(error):
    if isinstance(error, Refusal):
        return str(error)
    if isinstance(error, OSError) and error.errno:
        where = error.filename or ""
        return "%s %s" % (errno.errorcode.get(error.errno, error.errno), where or error)
    return "%s: %s" % (type(error).__name__, error)


def main():
    agent = Agent(sys.stdin.buffer, sys.stdout.buffer)
    agent.send({"kind": "hello", "protocols": PROTOCOLS, "pid": os.getpid()})
    try:
        agent.serve()
    except Exception as error:
        sys.stderr.write("autoloop-agent: bad frame: %s\n" % describe(error))
    finally:
        end(0)


if __name__ == "__main__":
    main()
