"""Changes of the host: each has an id, is done once, and can be put back."""

import contextlib
import fcntl
import json
import os
import re
import signal
import sqlite3
import threading
import time

from autoloop.agent.backups import Backups, saved_states
from autoloop.agent.durable import SQLITE_ENDS, Refusal, describe
from autoloop.agent.files import ABSENT, differing, file_state, put_all, tree_states
from autoloop.agent.looking import (
    ancestors,
    describe_process,
    identity,
    proc_text,
    run_program,
    started_ticks,
)

MARK = "AUTOLOOP_OPERATION"
"""In the environment of programs under guard: the operation that they belong to."""


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
            env = dict(command.get("env") or {}, **{MARK: op})
            done = run_program(command["argv"], command["timeout_s"], env, cancel)
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
        if not lived:
            end_marked(record["op"])
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


def end_marked(op):
    """End what *op* has started and what has outlived its agent: with another user's rights no
    program dies with the one that began it, and it would go on changing what is put back."""
    own, deadline = ancestors(os.getpid()), time.monotonic() + 10
    while time.monotonic() < deadline:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
        mark = "%s=%s" % (MARK, op)
        left = [p for p in pids if p not in own and mark in proc_text(p, "environ").split("\0")]
        if not left:
            return
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)
    what = "process %d still runs and does not end" % left[0]
    raise Refusal("OperationFailed", "operation " + op, what, "look at the host")


def bare(commands):
    """Commands as the journal may hold them: without their environment."""
    return [{k: c[k] for k in ("argv", "timeout_s", "ok_codes") if k in c} for c in commands or []]


def companions(path):
    """Files beside a SQLite database that belong to its present content."""
    return [path + ending for ending in ("-wal", "-shm", "-journal")]


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
