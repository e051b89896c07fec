"""Each operation once, under its lock, and only on what the plan saw."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from autoloop.agent.changing import Worker
from autoloop.agent.durable import Refusal
from autoloop.agent.files import file_state
from autoloop.agent.looking import started_ticks


def command(line: str, **more: Any) -> dict[str, Any]:
    """A shell line as an action."""
    return {"kind": "command", "argv": ["sh", "-c", line], "timeout_s": 10, **more}


def refusal(call: Any) -> dict[str, Any]:
    """The refusal that *call* ends with."""
    with pytest.raises(Refusal) as caught:
        call()
    body: dict[str, Any] = caught.value.body
    return body


def started(world: Any, op: str, action: dict[str, Any], witness: str = "") -> None:
    """The journal of a connection that was lost while the command ran."""
    record = {"op": op, "kind": "command", "lock": "t", "value": {}, "state": "started"}
    world.store().save_op(dict(record, witness=witness, argv=action["argv"]))


def test_command_runs_once(world: Any, tmp_path: Path) -> None:
    """The same id twice: one effect, the same outcome, and the second says that it is a repeat."""
    count, worker = tmp_path / "count", world.worker()
    action = command(f"echo x >> {count}; echo said")
    first = world.do(worker, "run/1", action)
    second = world.do(worker, "run/1", action)
    assert count.read_text() == "x\n"
    assert (first["outcome"], first["repeated"]) == ("done", False)
    assert second == dict(first, repeated=True)
    assert first["value"]["out"] == "said\n"


def test_failed_command_is_not_run_again(world: Any, tmp_path: Path) -> None:
    """A failure that the journal knows is reported again, not tried again."""
    count, worker = tmp_path / "count", world.worker()
    action = command(f"echo x >> {count}; echo why >&2; exit 3")
    assert world.do(worker, "run/1", action)["outcome"] == "failed"
    again = world.do(worker, "run/1", action)
    assert (again["outcome"], again["repeated"]) == ("failed", True)
    assert (again["value"]["code"], again["value"]["err"]) == (3, "why\n")
    assert count.read_text() == "x\n"


def test_other_codes_may_be_good(world: Any) -> None:
    """An exit code in `ok_codes` is success."""
    worker = world.worker()
    assert world.do(worker, "run/1", command("exit 3", ok_codes=[0, 3]))["outcome"] == "done"


def test_command_out_of_time_fails(world: Any) -> None:
    """A command over its time is killed with its children and recorded as failed."""
    worker, began = world.worker(), time.monotonic()
    done = world.do(worker, "run/1", command("sleep 60 & sleep 60", timeout_s=0.3))
    assert time.monotonic() - began < 5
    assert (done["outcome"], done["value"]["timed_out"]) == ("failed", True)


def test_lost_command_with_changed_witness_is_done(world: Any, tmp_path: Path) -> None:
    """Started, outcome lost, and the witness changed: it was done, and is not run again."""
    count, seen = tmp_path / "count", tmp_path / "seen"
    seen.write_text("after")
    action = command(f"echo x >> {count}", witness=["cat", str(seen)])
    started(world, "run/1", action, witness="before")
    done = world.do(world.worker(), "run/1", action)
    assert (done["outcome"], done["value"]["lost"]) == ("done", True)
    assert not count.exists()


def test_lost_command_with_same_witness_is_run(world: Any, tmp_path: Path) -> None:
    """Started, outcome lost, and the witness is the same: it had no effect, so it is run."""
    count, seen = tmp_path / "count", tmp_path / "seen"
    seen.write_text("before")
    action = command(f"echo x >> {count}", witness=["cat", str(seen)])
    started(world, "run/1", action, witness="before")
    assert world.do(world.worker(), "run/1", action)["outcome"] == "done"
    assert count.read_text() == "x\n"


def test_lost_idempotent_command_is_run(world: Any, tmp_path: Path) -> None:
    """Without a witness, an idempotent command is run again."""
    count = tmp_path / "count"
    action = command(f"echo x >> {count}", idempotent=True)
    started(world, "run/1", action)
    assert world.do(world.worker(), "run/1", action)["outcome"] == "done"
    assert count.read_text() == "x\n"


def test_lost_command_without_witness_is_refused(world: Any, tmp_path: Path) -> None:
    """Neither witness nor idempotent: the outcome is unknown, and the refusal says so."""
    count = tmp_path / "count"
    action = command(f"echo x >> {count}")
    started(world, "run/1", action)
    worker = world.worker()
    body = refusal(lambda: world.do(worker, "run/1", action))
    assert body["error"] == "OperationFailed"
    assert "unknown" in body["what"] and "twice" in body["what"]
    assert not count.exists()


def test_silent_witness_proves_nothing(world: Any, tmp_path: Path) -> None:
    """A witness that cannot be asked is no sign of an effect: refused, nothing is run."""
    count = tmp_path / "count"
    action = command(f"echo x >> {count}", witness=["/no/such/program"])
    started(world, "run/1", action, witness="before")
    worker = world.worker()
    assert "witness" in refusal(lambda: world.do(worker, "run/1", action))["what"]
    assert not count.exists()


def put(world: Any, name: str, old: str, new: str) -> dict[str, Any]:
    """A file *name* with *old* in it, and the action that makes it *new*."""
    path, store = world.tree / name, world.store()
    path.write_text(new)
    store.keep(str(path))
    wanted = file_state(str(path))
    path.write_text(old)
    change = {"path": str(path), "before": file_state(str(path)), "after": wanted}
    return {"kind": "files", "changes": [change]}


def test_drift_changes_nothing(world: Any) -> None:
    """A file changed since the plan: Drifted with its name, and no file is touched."""
    first, second = put(world, "a", "old", "new"), put(world, "b", "old", "new")
    (world.tree / "b").write_text("somebody")
    states, worker = world.states(), world.worker()
    action = {"kind": "files", "changes": first["changes"] + second["changes"]}
    body = refusal(lambda: world.do(worker, "run/1", action))
    assert body["error"] == "Drifted"
    assert str(world.tree / "b") in body["what"]
    assert world.states() == states
    assert world.store().load_op("run/1") is None


def test_nothing_to_do_is_done(world: Any) -> None:
    """All is already as wanted: done, and a revert leaves it so."""
    action = put(world, "a", "old", "new")
    (world.tree / "a").write_text("new")
    worker = world.worker()
    assert world.do(worker, "run/1", action)["value"] == {"changed": []}
    world.revert(worker, "run/1")
    assert (world.tree / "a").read_text() == "new"


def test_content_that_was_not_sent(world: Any) -> None:
    """A content that the store lacks is named, and nothing is touched."""
    action = put(world, "a", "old", "new")
    action["changes"][0]["after"]["sha256"] = "0" * 64
    worker = world.worker()
    assert "not sent" in refusal(lambda: world.do(worker, "run/1", action))["what"]
    assert (world.tree / "a").read_text() == "old"


def test_damaged_stored_content_is_not_written(world: Any) -> None:
    """A bit flipped in the object store never reaches a file."""
    action = put(world, "a", "old", "new")
    kept = Path(world.store().object_path(action["changes"][0]["after"]["sha256"]))
    kept.write_bytes(b"neW")
    worker = world.worker()
    assert "damaged" in refusal(lambda: world.do(worker, "run/1", action))["what"]
    assert (world.tree / "a").read_text() == "old"


def test_change_needs_the_lock(world: Any) -> None:
    """Without the lock nothing is changed, reverted or committed."""
    action = put(world, "a", "old", "new")
    worker = world.worker()
    world.release(worker)
    for call in (
        lambda: world.do(worker, "run/1", action),
        lambda: world.revert(worker, "run/1"),
        lambda: worker.commit({"op": "run/1", "lock": "t"}, threading.Event()),
    ):
        assert "not held" in refusal(call)["what"]
    assert (world.tree / "a").read_text() == "old"


def test_operation_of_another_lock_is_left_alone(world: Any) -> None:
    """Who holds one lock cannot put back what was done under another."""
    worker = world.worker()
    world.do(worker, "run/1", put(world, "a", "old", "new"))
    other = world.worker(name="u")
    body = refusal(lambda: other.revert({"op": "run/1", "lock": "u"}, threading.Event()))
    assert "under lock 't'" in body["what"]


def test_lower_fence_is_stale(world: Any) -> None:
    """A number lower than one that was here is refused; the lock stays free for a higher one."""
    world.release(world.worker())
    late = Worker(world.store())
    asked = {"name": "t", "fence": 1, "wait_s": 0}
    assert refusal(lambda: late.lock(asked, threading.Event()))["error"] == "StaleFence"
    world.release(world.worker())


def test_recovery_knows_the_owner(world: Any) -> None:
    """What a run has applied stays for that run, and is put back for any other."""
    action, worker = put(world, "a", "old", "new"), world.worker()
    world.do(worker, "run/1", action)
    world.release(worker)
    world.settle(owner="run")
    assert (world.tree / "a").read_text() == "new"
    world.settle(owner="ru")
    assert (world.tree / "a").read_text() == "old"


def test_committed_stays(world: Any) -> None:
    """After a commit no recovery puts anything back."""
    action, worker = put(world, "a", "old", "new"), world.worker()
    world.do(worker, "run/1", action)
    worker.commit({"op": "run/1", "lock": "t"}, threading.Event())
    world.release(worker)
    world.settle(owner="other")
    assert (world.tree / "a").read_text() == "new"


@pytest.mark.parametrize("op", ["", "..", "a/../b", "a b", "x" * 201, "a\n", "ä", "a\0"])
def test_bad_operation_ids(world: Any, op: str) -> None:
    """An id that could leave the journal's folder, or is no id, is refused."""
    worker = world.worker()
    assert "not a usable id" in refusal(lambda: world.do(worker, op, command("true")))["what"]


def sleeper(first: str = "") -> "subprocess.Popen[bytes]":
    """A process to end; it says when it is ready."""
    line = f"{first}\nimport time\nprint(flush=True)\ntime.sleep(60)"
    child = subprocess.Popen([sys.executable, "-c", line], stdout=subprocess.PIPE)
    assert child.stdout
    child.stdout.readline()
    child.stdout.close()
    return child


def stop(pid: int, ticks: int, grace_s: float = 5.0) -> dict[str, Any]:
    """The action that ends one process."""
    return {"kind": "process", "pid": pid, "started": ticks, "grace_s": grace_s}


def test_stop_ends_the_process_it_means(world: Any) -> None:
    """Number and start time are right: it is ended, by TERM."""
    child = sleeper()
    ticks = started_ticks(child.pid)
    assert world.do(world.worker(), "run/1", stop(child.pid, ticks))["outcome"] == "done"
    assert child.wait(5) == -15


def test_stop_leaves_a_later_process_of_that_number(world: Any) -> None:
    """The number is in use again by another process: that one lives, the wish counts as done."""
    child = sleeper()
    try:
        ticks = started_ticks(child.pid) - 1
        assert world.do(world.worker(), "run/1", stop(child.pid, ticks))["outcome"] == "done"
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_stop_kills_who_ignores_term(world: Any) -> None:
    """After the grace time comes KILL."""
    child = sleeper("import signal; signal.signal(15, signal.SIG_IGN)")
    ticks = started_ticks(child.pid)
    assert world.do(world.worker(), "run/1", stop(child.pid, ticks, 0.2))["outcome"] == "done"
    assert child.wait(5) == -9


def test_stop_refuses_its_own_ancestors(world: Any) -> None:
    """Neither the agent nor what it descends from is ended; the journal keeps nothing."""
    worker = world.worker()
    for pid in (os.getpid(), os.getppid()):
        action = stop(pid, started_ticks(pid))
        if pid > 1:
            assert "own" in refusal(lambda a=action: world.do(worker, "run/1", a))["what"]
    assert world.store().load_op("run/1") is None


def test_cancelled_stop_does_not_go_on_to_kill(world: Any) -> None:
    """A cancelled call does not escalate."""
    child, worker, cancel = sleeper(), world.worker(), threading.Event()
    cancel.set()
    try:
        ticks = started_ticks(child.pid)
        asked = {"op": "run/1", "action": stop(child.pid, ticks), "lock": "t"}
        assert worker.do(asked, cancel)["outcome"] == "failed"
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


def test_old_operations_are_forgotten(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal keeps the newest settled operations, and every open one."""
    monkeypatch.setattr("autoloop.agent.durable.KEPT_OPERATIONS", 3)
    worker, store = world.worker(), world.store()
    for number in range(6):
        world.do(worker, f"run/{number}", command("true"))
    started(world, "run/open", command("true"))
    worker.commit({"op": "run/5", "lock": "t"}, threading.Event())
    assert [r["op"] for r in store.operations()] == ["run/3", "run/4", "run/5", "run/open"]
