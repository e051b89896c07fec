"""The agent: runs on the target for as long as one connection lasts. Standard library only.

It is sent on standard input at connect, listens on nothing and leaves only its state folder: the
journal of operations, an object store named by content hash, backups, locks. Python 3.6 or newer.

Frames, both ways: two big-endian 32-bit lengths, a JSON head, a body of bytes. See
``docs/reference/agent-protocol.md``.
"""

import contextlib
import json
import os
import struct
import sys
import threading
import time

from autoloop.agent import certificates, reach
from autoloop.agent.backups import summary
from autoloop.agent.changing import OUTCOMES, Worker, done
from autoloop.agent.durable import Refusal, Store, describe
from autoloop.agent.looking import (
    end,
    read_biggest,
    read_disks,
    read_facts,
    read_file,
    read_files,
    read_http,
    read_listeners,
    read_memory,
    read_removable,
    read_run,
    read_sqlite,
    read_stat,
    read_tree,
)
from autoloop.agent.salvage import read_locks, read_sqlite_check

PROTOCOLS = [1]
HEAD_LIMIT = 16 << 20
BODY_LIMIT = 4 << 20
SILENCE_S = 120  # without a word from the client for so long, the agent ends
ANSWER_LIMIT = 48 << 20  # below what the client takes for one head
WAITING = (
    "run",
    "http",
    "reach",
    "sqlite_check",
    "certificates",
)  # reads that mostly wait for others: those of a batch do so together
AT_ONCE = 8


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
            "files": read_files,
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
