"""Backups: contents in the object store, each once, and what differs from the good one."""

import contextlib
import glob
import hashlib
import json
import os
import re
import shutil
import sqlite3
import tempfile
import time
import urllib.parse

from autoloop.agent.durable import ROOM, Refusal, sha256_of, space_of, write_durably
from autoloop.agent.files import ABSENT, file_state, tree_states
from autoloop.agent.looking import read_file
from autoloop.agent.salvage import Damaged, Salvage, filled_tables, reading, size_of

LOCKED_DATABASE_S = 20  # for so long a backup waits for a writer that does not let go
MOST_SALVAGED = 2 << 30  # bytes of a database


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
        filled = []
        try:
            url = "file:%s?mode=ro" % urllib.parse.quote(path)
            source = sqlite3.connect(url, uri=True, timeout=1)
            target = sqlite3.connect(copy)
            try:
                copy_sqlite(source, target)
                check = target.execute("pragma quick_check(1)").fetchone()[0]
                filled = filled_tables(target)
            except sqlite3.DatabaseError as error:
                check = str(error)
            finally:
                source.close()
                target.close()
            sha, size = self.store.keep(path if check != "ok" else copy)
            state = dict(file_state(path, content=False), sha256=sha)
            saved = {"sha256": sha, "size": size, "check": check, "state": state}
            saved.update(inode=os.stat(path).st_ino, changes=changes_of(path), filled=filled)
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
        for path in sorted((set(now) | set(record["files"])) - set(record["sqlite"])):
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
        """A database whose file is gone, is another and much emptier one, or has another owner or
        mode. Its contents change all the time, and are no difference."""
        good, now = saved.get("state", ABSENT), file_state(path, content=False)
        if good["kind"] != "file":
            return []
        if now["kind"] == "file":
            if is_another(path, saved) and is_emptier(path, saved):
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


def is_another(path, saved):
    """Whether the database at *path* is not the one that was *saved*: another file, or, as the
    number of a removed file is given to the next one, a file that has changed less often."""
    inode = os.stat(path).st_ino
    return inode != saved.get("inode", inode) or changes_of(path) < saved.get("changes", 0)


def is_emptier(path, saved):
    """Whether it is not half as large, or half of the tables that held rows hold none."""
    if size_of(path) * 2 < saved["size"]:
        return True
    had = saved.get("filled", ())
    try:
        with reading(path) as connection:
            empty = set(had).difference(filled_tables(connection))
    except sqlite3.DatabaseError:
        return False  # then it is damaged, or locked, and others say so
    return len(empty) * 2 >= max(1, len(had))


def changes_of(path):
    """SQLite's count of the changes of a database file, which only grows (bytes 24 to 27)."""
    with open(path, "rb") as source:
        return int.from_bytes(source.read(28)[24:], "big")


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


def saved_states(store, record):
    """What an operation under guard saved before it ran anything."""
    if not record.get("saved"):
        return {}
    with open(store.object_path(record["saved"]), encoding="utf-8") as source:
        return json.load(source)
