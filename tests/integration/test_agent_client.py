"""The agent as a process of its own, and its client: deadlines, losses, locks, bad frames."""

import contextlib
import hashlib
import itertools
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from autoloop.agent import channel as channels
from autoloop.agent.channel import LocalChannel, program
from autoloop.agent.client import Client, as_exception, pieces
from autoloop.agent.session import Session
from autoloop.core.errors import (
    AgentLost,
    AgentRefused,
    DeadlineExceeded,
    Drifted,
    StaleFence,
    TargetBusy,
)
from autoloop.core.target import Action, ChangeFiles, FileChange, FileState, Read, RunCommand

pytestmark = pytest.mark.integration
Connect = Callable[[], Client]


@pytest.fixture
def connect(tmp_path: Path) -> Iterator[Connect]:
    """New connections to agents that share one state folder."""
    opened: list[Client] = []

    def open_one() -> Client:
        opened.append(Client(LocalChannel(), str(tmp_path / "state")))
        return opened[-1]

    yield open_one
    for client in opened:
        client.close()


@pytest.fixture
def session(connect: Connect) -> Iterator[Session]:
    """A session of run `run`, without a lock yet."""
    fences = itertools.count(10)
    made = Session(connect, lambda _name: next(fences), "run")
    yield made
    made.close()


def shell(line: str, **more: Any) -> RunCommand:
    """A shell line as an action."""
    return RunCommand(argv=("sh", "-c", line), **more)


def kill(client: Client | None) -> None:
    """End the agent behind *client* as a crash would."""
    assert client and isinstance(client.channel, LocalChannel)
    os.kill(client.channel.pid, signal.SIGKILL)


def soon(claim: Callable[[], bool], within_s: float = 5.0) -> bool:
    """Whether *claim* comes true in time."""
    end = time.monotonic() + within_s
    while not claim():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def change(session: Session, path: Path, text: str) -> ChangeFiles:
    """The action by which *path* gets *text*, whose content is sent."""
    before = FileState.model_validate(
        session.observe([Read(op="stat", args={"path": str(path)})])[0].value
    )
    sha = hashlib.sha256(text.encode()).hexdigest()
    session.send({sha: text.encode()})
    after = before.model_copy(update={"sha256": sha})
    return ChangeFiles(changes=(FileChange(path=str(path), before=before, after=after),))


# ---- deadlines and losses


def test_deadline_cancels_the_call(connect: Connect, tmp_path: Path) -> None:
    """No answer in time: DeadlineExceeded, and the command is stopped with its children."""
    client, pid_file = connect(), tmp_path / "pid"
    reads = [{"op": "run", "args": {"argv": ["sh", "-c", f"echo $$ > {pid_file}; sleep 60"]}}]
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded, match=r"within 0\.5 s"):
        client.call("batch", {"reads": reads}, deadline_s=0.5)
    assert time.monotonic() - began < 3
    pid = int(pid_file.read_text())
    assert soon(lambda: not Path(f"/proc/{pid}").exists())
    assert client.call("ping", {}) == {}


def test_deadline_of_a_change_is_in_the_journal(session: Session) -> None:
    """A change cut off by its deadline is recorded as failed, and is not done again."""
    session.lock("app", 1, 1)
    with pytest.raises(DeadlineExceeded):
        session.do("run/1", shell("sleep 60"), deadline_s=0.3)
    assert soon(lambda: session.outcome("run/1").outcome == "failed")
    assert session.do("run/1", shell("sleep 60"), deadline_s=5).repeated


def test_stopped_agent_holds_nobody_up(connect: Connect) -> None:
    """An agent that no longer reads: large calls end at their deadlines, and so does closing."""
    client = connect()
    assert isinstance(client.channel, LocalChannel)
    os.kill(client.channel.pid, signal.SIGSTOP)
    for _ in range(2):
        with pytest.raises(DeadlineExceeded):
            client.call("put", {"pieces": []}, b"x" * (1 << 20), deadline_s=0.3)
    began = time.monotonic()
    client.close()
    assert time.monotonic() - began < 8


def test_killed_agent_is_lost(connect: Connect) -> None:
    """The agent dies during a call: AgentLost at once, and for every later call."""
    client = connect()
    threading.Timer(0.2, kill, [client]).start()
    reads = [{"op": "run", "args": {"argv": ["sleep", "30"]}}]
    began = time.monotonic()
    with pytest.raises(AgentLost):
        client.call("batch", {"reads": reads}, deadline_s=20)
    assert time.monotonic() - began < 5
    assert not client.alive
    with pytest.raises(AgentLost):
        client.call("ping", {})


def test_session_comes_back_with_its_lock(session: Session, tmp_path: Path) -> None:
    """The agent dies between two changes: the session connects again, holds the lock, goes on."""
    path = tmp_path / "f"
    path.write_text("old")
    session.lock("app", 1, 1)
    session.do("run/1", change(session, path, "new"))
    kill(session._client)
    assert session.do("run/1", shell("true")).repeated
    assert path.read_text() == "new"
    kill(session._client)
    assert session.revert("run/1").outcome == "reverted"
    assert path.read_text() == "old"


def test_session_asks_reads_again(session: Session) -> None:
    """A read after a lost connection is answered by a new agent."""
    assert session.observe([Read(op="facts")])[0].ok
    kill(session._client)
    assert session.observe([Read(op="facts")])[0].ok


def test_lost_command_is_settled_by_its_witness(session: Session, tmp_path: Path) -> None:
    """The agent dies while a command runs whose effect is there: done, and not run twice."""
    count, ran = tmp_path / "count", tmp_path / "ran"
    action = shell(
        f"echo x >> {count}; touch {ran}; sleep 30", witness=("sh", "-c", f"cat {count} || true")
    )
    session.lock("app", 1, 5)

    def cut() -> None:
        soon(ran.exists)
        kill(session._client)

    cutter = threading.Thread(target=cut)
    cutter.start()
    done = session.do("run/1", action)
    cutter.join()
    assert (done.outcome, done.value["lost"]) == ("done", True)
    assert count.read_text() == "x\n"


def test_ended_connection_ends_its_commands(connect: Connect, tmp_path: Path) -> None:
    """Closing the connection ends what the agent has started, grandchildren too."""
    client, pids = connect(), tmp_path / "pids"
    line = f"sleep 61 & echo $! $$ > {pids}; wait"
    call = {"reads": [{"op": "run", "args": {"argv": ["sh", "-c", line]}}]}
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.call, "batch", call)
        assert soon(lambda: pids.exists() and len(pids.read_text().split()) == 2)
        client.close()
        assert isinstance(asked.exception(10), AgentLost)
    for pid in pids.read_text().split():
        assert soon(lambda p=pid: not alive(p))


def alive(pid: str) -> bool:
    """Whether the process runs; a dead one that nobody has waited for does not."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def test_start_that_fails_leaves_no_agent(tmp_path: Path) -> None:
    """A state folder that cannot be made: the error names it, and the agent is gone."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    channel = LocalChannel()
    with pytest.raises(AgentRefused, match=r"ENOTDIR|EEXIST"):
        Client(channel, str(blocked / "state"))
    assert not Path(f"/proc/{channel.pid}").exists()


# ---- several at once, and much of it


def test_calls_do_not_wait_for_each_other(connect: Connect) -> None:
    """Twenty sleeping calls take the time of one, and each gets its own answer."""
    client = connect()

    def ask(number: int) -> str:
        argv = ["sh", "-c", f"sleep 0.3; echo {number}"]
        rows = client.call("batch", {"reads": [{"op": "run", "args": {"argv": argv}}]})
        return str(rows[0]["value"]["out"]).strip()

    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(ask, range(20))) == [str(n) for n in range(20)]
    assert time.monotonic() - began < 4


def test_chatty_command_is_bounded(connect: Connect) -> None:
    """Of 50 MB of output the last 256 KiB come back."""
    client = connect()
    argv = ["sh", "-c", "head -c 50000000 /dev/zero | tr '\\0' x; echo END"]
    value = client.call("batch", {"reads": [{"op": "run", "args": {"argv": argv}}]})[0]["value"]
    assert value["code"] == 0
    assert len(value["out"]) == 256 << 10
    assert value["out"].endswith("xEND\n")


def test_pipe_without_a_writer_is_no_trap(connect: Connect, tmp_path: Path) -> None:
    """Reading a named pipe returns."""
    os.mkfifo(tmp_path / "pipe")
    read = {"op": "file", "args": {"path": str(tmp_path / "pipe")}}
    row = connect().call("batch", {"reads": [read]}, deadline_s=5)[0]
    assert row["value"]["text"] == ""


def test_large_object_travels_in_pieces(session: Session, tmp_path: Path) -> None:
    """5 MB arrive whole; what is there does not travel again."""
    data = os.urandom(5 << 20)
    sha = hashlib.sha256(data).hexdigest()
    assert session.send({sha: data, hashlib.sha256(b"s").hexdigest(): b"s"}) == len(data) + 1
    kept = tmp_path / "state" / "objects" / sha[:2] / sha[2:]
    assert kept.read_bytes() == data
    assert session.send({sha: data}) == 0


def test_resent_piece_is_harmless(connect: Connect, tmp_path: Path) -> None:
    """Each piece twice, the last one too after all is complete: the object is whole."""
    client, data = connect(), os.urandom(300_000)
    sha = hashlib.sha256(data).hexdigest()
    for heads, body in pieces([(sha, data)], 100_000):
        for _ in range(2):
            client.call("put", {"pieces": heads}, body)
    kept = tmp_path / "state" / "objects" / sha[:2] / sha[2:]
    assert kept.read_bytes() == data
    assert not list(kept.parent.glob("*.part"))


def test_damaged_object_is_refused(connect: Connect) -> None:
    """Contents that do not match their name are refused, whole or in pieces."""
    client, sha = connect(), hashlib.sha256(b"good").hexdigest()
    whole = [{"sha256": sha, "offset": 0, "size": 4, "total": 4}]
    with pytest.raises(AgentRefused, match="damaged"):
        client.call("put", {"pieces": whole}, b"evil")
    for offset in (0, 2):
        piece = [{"sha256": sha, "offset": offset, "size": 2, "total": 4}]
        with contextlib.ExitStack() as stack:
            if offset:
                stack.enter_context(pytest.raises(AgentRefused, match="damaged"))
            client.call("put", {"pieces": piece}, b"ev")
    assert client.call("batch", {"reads": [{"op": "missing", "args": {"objects": [sha]}}]}) == [
        {"ok": True, "value": [sha]}
    ]


# ---- locks


def test_second_agent_waits_in_vain(connect: Connect) -> None:
    """Two agents, one lock: the second is told in time that the target is busy."""
    first, second = connect(), connect()
    first.call("lock", {"name": "app", "fence": 1, "wait_s": 0})
    began = time.monotonic()
    with pytest.raises(TargetBusy):
        second.call("lock", {"name": "app", "fence": 2, "wait_s": 0.5})
    assert 0.4 < time.monotonic() - began < 3
    second.call("lock", {"name": "other", "fence": 1, "wait_s": 0})


def test_dead_holder_frees_the_lock(connect: Connect) -> None:
    """The holder is killed with SIGKILL: who waits gets the lock."""
    first, second = connect(), connect()
    first.call("lock", {"name": "app", "fence": 1, "wait_s": 0})
    threading.Timer(0.3, kill, [first]).start()
    got = second.call("lock", {"name": "app", "fence": 2, "wait_s": 10})
    assert got == {"fence": 2, "recovered": []}


def test_late_holder_is_stale(connect: Connect) -> None:
    """A lower number than one that was here is StaleFence."""
    first, second = connect(), connect()
    first.call("lock", {"name": "app", "fence": 7, "wait_s": 0})
    first.call("unlock", {"name": "app"})
    with pytest.raises(StaleFence):
        second.call("lock", {"name": "app", "fence": 6, "wait_s": 0})


def test_unlock_waits_for_what_is_under_way(connect: Connect, tmp_path: Path) -> None:
    """The lock is not let go while a change of this connection still runs."""
    first, second, over = connect(), connect(), tmp_path / "over"
    first.call("lock", {"name": "app", "fence": 1, "wait_s": 0})
    action = shell(f"sleep 0.6; touch {over}").model_dump(mode="json")
    asked = {"op": "run/1", "action": action, "lock": "app"}
    with ThreadPoolExecutor(1) as pool:
        pool.submit(first.call, "do", asked)
        time.sleep(0.2)
        first.call("unlock", {"name": "app"})
        second.call("lock", {"name": "app", "fence": 2, "wait_s": 5})
        assert over.exists()


def test_change_without_lock_is_refused(session: Session) -> None:
    """A session that never locked cannot change anything."""
    with pytest.raises(AgentRefused, match="lock is not held"):
        session.do("run/1", shell("true"))


def test_session_without_its_lock_is_not_used(connect: Connect) -> None:
    """Another took the lock while the connection was down: TargetBusy, each time it is tried."""
    fences = itertools.count(10)
    ours = Session(connect, lambda _name: next(fences), "run")
    ours.lock("app", 1, 0.2)
    kill(ours._client)
    other = connect()
    other.call("lock", {"name": "app", "fence": 5, "wait_s": 5})
    for _ in range(2):
        with pytest.raises(TargetBusy):
            ours.do("run/1", shell("true"))
    other.close()
    assert ours.do("run/1", shell("true")).outcome == "done"
    ours.close()


def test_drift_reaches_the_client_by_name(session: Session, tmp_path: Path) -> None:
    """A file changed since the plan is `Drifted` here too, and stays as it is."""
    path = tmp_path / "f"
    path.write_text("old")
    session.lock("app", 1, 1)
    action: Action = change(session, path, "new")
    path.write_text("somebody")
    with pytest.raises(Drifted, match="diagnose again"):
        session.do("run/1", action)
    assert path.read_text() == "somebody"


# ---- frames that no client of ours sends


def raw(frame: bytes) -> bytes:
    """All that an agent says after its greeting when it gets *frame* and the end of input."""
    child = subprocess.run(
        [sys.executable, "-I", "-c", channels.BOOT],
        input=program() + frame,
        capture_output=True,
        timeout=20,
        check=False,
    )
    size, _ = struct.unpack(">II", child.stdout[:8])
    assert json.loads(child.stdout[8 : 8 + size])["kind"] == "hello"
    assert child.returncode == 0
    return child.stderr


def framed(head: bytes, body: bytes = b"") -> bytes:
    """One frame."""
    return struct.pack(">II", len(head), len(body)) + head + body


@pytest.mark.parametrize(
    ("frame", "complaint"),
    [
        (struct.pack(">II", 0xFFFFFFFF, 0), b"too large"),
        (struct.pack(">II", 2, 0xFFFFFFFF), b"too large"),
        (framed(b"{not json"), b"bad frame"),
        (framed(b"\xff\xfe"), b"bad frame"),
        (framed(b"[]"), b"bad frame"),
        (framed(b"{}"), b"bad frame"),
        (framed(b'{"kind": "call"}'), b"bad frame"),
        (framed(b'{"kind": "call", "id": []}'), b"bad frame"),
        (framed(b"[" * 100_000), b"bad frame"),
        (framed(b'{"kind": "nonsense"}'), b""),
        (b"\0\0\0", b""),
        (struct.pack(">II", 100, 0) + b"cut off", b"bad frame"),
    ],
)
def test_bad_frame_ends_the_agent(frame: bytes, complaint: bytes) -> None:
    """What is no frame of the protocol ends the agent cleanly, with one line about it."""
    said = raw(frame)
    assert complaint in said
    assert said.count(b"\n") == (1 if complaint else 0)


@pytest.mark.parametrize(
    ("op", "args", "why"),
    [
        ("explode", {}, "not an operation of protocol 1"),
        ("hello", {"protocols": [99]}, "speaks"),
        ("hello", {"protocols": [1]}, "said before"),
        ("do", {"op": "../../etc/x", "action": {"kind": "command"}, "lock": "app"}, "usable id"),
        ("do", {"op": "x", "action": {"kind": "magic"}, "lock": "app"}, "unknown kind"),
        ("do", {"op": "x"}, "lock is not held"),
        ("lock", {"name": "../x", "fence": 9, "wait_s": 0}, "usable name"),
        ("put", {"pieces": [{"sha256": "../x", "offset": 0, "size": 0, "total": 0}]}, "SHA-256"),
        ("batch", {}, "KeyError"),
        ("batch", {"reads": 5}, "TypeError"),
    ],
)
def test_bad_call_is_answered(connect: Connect, op: str, args: dict[str, Any], why: str) -> None:
    """A call that makes no sense gets an error that says why, and the connection lives on."""
    client = connect()
    client.call("lock", {"name": "app", "fence": 1, "wait_s": 0})
    with pytest.raises(AgentRefused, match=why):
        client.call(op, args, deadline_s=5)
    assert client.call("ping", {}) == {}


def test_bad_read_does_not_spoil_its_batch(connect: Connect) -> None:
    """A read that fails says why; its neighbours are answered."""
    reads = [
        {"op": "nope"},
        {"op": "file", "args": {"path": "/no/such/file"}},
        {"op": "run", "args": {"argv": ["x" * 3_000_000]}},
        {"op": "run", "args": {"argv": ["/no/such/program"]}},
        {"op": "facts"},
    ]
    rows = connect().call("batch", {"reads": reads})
    assert [row["ok"] for row in rows] == [False, False, True, True, True]
    assert "no read is called 'nope'" in rows[0]["error"]
    assert rows[1]["error"] == "ENOENT /no/such/file"
    assert "too long" in rows[2]["value"]["err"] and rows[2]["value"]["code"] == 127
    assert rows[3]["value"]["code"] == 127


def test_reserved_options_are_refused(connect: Connect) -> None:
    """An option that is reserved is refused rather than overlooked."""
    client = connect()
    for option in ("twin", "run_as"):
        number = next(client._numbers)
        waiting = client._waiting[number] = type(client._greeting)()
        client._send({"kind": "call", "id": number, "op": "ping", "args": {}, option: "x"})
        with pytest.raises(AgentRefused, match=f"option '{option}' is not known"):
            waiting.result(5)


class Puppet:
    """A channel whose far side says what the test wants."""

    place = "puppet"

    def __init__(self, said: bytes) -> None:
        self._out, into = os.pipe()
        os.write(into, said)
        os.close(into)
        self._file = os.fdopen(self._out, "rb")

    def write(self, data: bytes) -> None:
        """Swallow it."""

    def read(self, size: int) -> bytes:
        """What was laid out."""
        return self._file.read(size)

    def close(self) -> None:
        """Nothing to end."""


GREETING = framed(b'{"kind": "hello", "protocols": [1], "pid": 1}')


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"Last login: Monday\n" * 3,
        struct.pack(">II", 0xFFFFFFFF, 0),
        framed(b"null"),
        framed(b"{}"),
        GREETING + GREETING,
        GREETING + framed(b'{"kind": "result", "id": 1}'),
        GREETING + framed(b'{"kind": "error", "id": 1, "error": 5}'),
        GREETING + framed(b'{"kind": "result", "id": []}'),
    ],
)
def test_strange_agent_is_a_lost_one(said: bytes) -> None:
    """A far side that is no agent, or no longer one, is AgentLost: no hang, no other exception."""
    began = time.monotonic()
    puppet = Puppet(said)
    with pytest.raises(AgentLost):
        Client(puppet, connect_s=5)
    puppet._file.close()
    assert time.monotonic() - began < 4


@pytest.mark.parametrize("name", ["Any", "ClassVar", "NoSuchThing", "", "__name__"])
def test_error_names_are_not_trusted(name: str) -> None:
    """An error is one of ours or AgentRefused, whatever the far side calls it."""
    error = as_exception({"error": name, "place": "p", "what": "w", "next": "n"})
    assert type(error) is AgentRefused
    assert str(error) == "p: w - n"


OLD = Path("~/.pyenv/versions/3.6.15/bin/python").expanduser()


@pytest.mark.skipif(not OLD.exists(), reason="no Python 3.6 here")
def test_agent_runs_on_python_36(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, connect: Connect
) -> None:
    """The oldest Python that is promised: change, revert, backup of a database, drift."""
    import sqlite3

    monkeypatch.setattr(channels.sys, "executable", str(OLD))
    database, path = tmp_path / "d.db", tmp_path / "f"
    base = sqlite3.connect(database)
    base.executescript("create table t (x); insert into t values (1); pragma user_version=7")
    base.close()
    path.write_text("old")
    fences = itertools.count(10)
    session = Session(connect, lambda _name: next(fences), "run")
    facts = session.observe([Read(op="facts")])[0].value
    assert facts["python"].startswith("3.6.")
    session.lock("app", 1, 1)
    session.do("run/1", change(session, path, "new"))
    assert path.read_text() == "new"
    assert session.revert("run/1").outcome == "reverted"
    from autoloop.core.target import SaveBackup

    backup = SaveBackup(app="demo", files=(str(path),), sqlite=(str(database),), good=True)
    saved = session.do("run/2", backup)
    assert saved.value["sqlite"] == {str(database): "ok"}
    path.write_text("drifted")
    rows = session.observe(
        [
            Read(op="drift", args={"app": "demo", "texts": [str(path)]}),
            Read(op="verify_backup", args={"app": "demo", "backup": "good"}),
            Read(op="listeners"),
        ]
    )
    assert [row.ok for row in rows] == [True, True, True]
    assert rows[0].value["changes"][0]["now_text"] == "drifted"
    sha = rows[0].value["sqlite"][str(database)]["sha256"]
    copy = sqlite3.connect(tmp_path / "state" / "objects" / sha[:2] / sha[2:])
    assert copy.execute("select x from t").fetchall() == [(1,)]
    assert copy.execute("pragma user_version").fetchone() == (7,)
    copy.close()
    session.close()
