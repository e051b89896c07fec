"""One contract, two ways: the agent as a process here, and over SSH on a throw-away host."""

import contextlib
import hashlib
import itertools
import os
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop.agent import channel as channels
from autoloop.agent.channel import LocalChannel, SshChannel, open_channel
from autoloop.agent.client import Client
from autoloop.agent.session import Session
from autoloop.core.app import HostSpec
from autoloop.core.errors import (
    AgentLost,
    AgentRefused,
    DeadlineExceeded,
    Drifted,
    HostKeyChanged,
    HostUnreachable,
    StaleFence,
    TargetBusy,
)
from autoloop.core.target import (
    ChangeFiles,
    FileChange,
    FileState,
    Read,
    RunCommand,
    SaveBackup,
    StopProcess,
)

pytestmark = [
    pytest.mark.hosts,
    pytest.mark.skipif(os.geteuid() != 0, reason="throw-away hosts need root"),
]


@pytest.fixture(scope="module")
def host() -> Iterator[Any]:
    """A host of its own for this file."""
    from autoloop.arena.hosts import up
    from autoloop.arena.image import build

    with up(f"agent{os.getpid()}", build()) as made:
        yield made


def spec_of(host: Any, **more: Any) -> HostSpec:
    """How a client reaches *host*."""
    known = {"address": host.ip, "known_hosts": host.known_hosts}
    return HostSpec(**{**known, "identity_file": str(host.login_key), **more})


class Way:
    """A way to a target, and a folder on it that is the test's own."""

    def __init__(self, spec: HostSpec, folder: str) -> None:
        self.spec, self.folder = spec, folder
        self.opened: list[Client] = []
        self._fences = itertools.count(100)

    def connect(self) -> Client:
        """A new connection; the state folder is shared."""
        self.opened.append(Client(open_channel(self.spec), f"{self.folder}/state"))
        return self.opened[-1]

    def session(self, owner: str = "run") -> Session:
        """A new session."""
        return Session(self.connect, lambda _name: next(self._fences), owner)

    def shell(self, line: str) -> str:
        """What *line* says, run on the target."""
        read = {"op": "run", "args": {"argv": ["sh", "-ec", line]}}
        client = self.opened[-1] if self.opened and self.opened[-1].alive else self.connect()
        value = client.call("batch", {"reads": [read]})[0]["value"]
        assert value["code"] == 0, value
        return str(value["out"])


@pytest.fixture(params=["local", "ssh"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    """Both ways in turn."""
    if request.param == "local":
        made = Way(HostSpec(), str(tmp_path))
    else:
        spec = spec_of(request.getfixturevalue("host"))
        made = Way(spec, f"/var/tmp/{secrets.token_hex(4)}")
    made.shell(f"mkdir -p {made.folder}")
    yield made
    for client in made.opened:
        client.close()


def change(session: Session, path: str, text: str) -> ChangeFiles:
    """The action by which *path* gets *text*."""
    stat = session.observe([Read(op="stat", args={"path": path})])[0].value
    before, sha = FileState.model_validate(stat), hashlib.sha256(text.encode()).hexdigest()
    session.send({sha: text.encode()})
    after = before.model_copy(update={"kind": "file", "sha256": sha, "mode": before.mode or 0o644})
    return ChangeFiles(changes=(FileChange(path=path, before=before, after=after),))


def test_contract_of_files(way: Way) -> None:
    """Changed once, repeated, reverted; and refused when the file is not what the plan saw."""
    session, path = way.session(), f"{way.folder}/f"
    way.shell(f"printf old > {path}")
    session.lock("app", 1, 1)
    action = change(session, path, "新")
    assert session.do("run/1", action).outcome == "done"
    assert way.shell(f"cat {path}") == "新"
    assert session.do("run/1", action).repeated
    assert session.outcome("run/1").outcome == "done"
    assert session.revert("run/1").outcome == "reverted"
    assert way.shell(f"cat {path}") == "old"
    way.shell(f"printf somebody > {path}")
    with pytest.raises(Drifted):
        session.do("run/2", action)
    assert way.shell(f"cat {path}") == "somebody"
    session.close()


def test_contract_of_commands(way: Way) -> None:
    """Once per id; a deadline cancels; output comes back."""
    session, count = way.session(), f"{way.folder}/count"
    session.lock("app", 1, 1)
    action = RunCommand(argv=("sh", "-c", f"echo x >> {count}; echo said; exit 3"))
    for repeated in (False, True):
        done = session.do("run/1", action)
        assert (done.outcome, done.repeated, done.value["out"]) == ("failed", repeated, "said\n")
    assert way.shell(f"cat {count}") == "x\n"
    with pytest.raises(DeadlineExceeded):
        session.do("run/2", RunCommand(argv=("sleep", "60")), deadline_s=0.5)
    assert session.do("run/3", RunCommand(argv=("true",)), deadline_s=10).outcome == "done"
    session.close()


def test_contract_of_processes(way: Way) -> None:
    """The process of that number and start time is ended, no other."""
    session = way.session()
    session.lock("app", 1, 1)
    started = way.shell("setsid sleep 300 > /dev/null 2>&1 & echo $!; cut -d' ' -f22 /proc/$!/stat")
    pid, ticks = (int(word) for word in started.split())
    assert session.do("run/1", StopProcess(pid=pid, started=ticks + 1)).outcome == "done"
    way.shell(f"kill -0 {pid}")
    assert session.do("run/2", StopProcess(pid=pid, started=ticks)).outcome == "done"
    way.shell(f"! kill -0 {pid} 2>/dev/null || grep -q ' Z ' /proc/{pid}/stat")
    session.close()


def test_contract_of_backups(way: Way) -> None:
    """Saved, listed, verified, and the drift since then is shown."""
    session, tree = way.session(), f"{way.folder}/tree"
    way.shell(f"mkdir {tree}; printf one > {tree}/a; ln -s a {tree}/link")
    session.lock("app", 1, 1)
    saved = session.do("run/1", SaveBackup(app="demo", trees=(tree,), good=True))
    assert saved.value["files"] == 1
    way.shell(f"printf two > {tree}/a")
    drift, verified = session.observe(
        [
            Read(op="drift", args={"app": "demo", "texts": [f"{tree}/a"]}),
            Read(op="verify_backup", args={"app": "demo", "backup": "good"}),
        ]
    )
    assert [(c["good_text"], c["now_text"]) for c in drift.value["changes"]] == [("one", "two")]
    assert verified.value["broken"] == []
    session.close()


def test_contract_of_locks(way: Way) -> None:
    """Refused without, busy while another holds it, stale when too late, free after the holder."""
    first, second = way.session(), way.session("other")
    with pytest.raises(AgentRefused, match="not held"):
        first.do("run/1", RunCommand(argv=("true",)))
    first.lock("app", 5, 1)
    with pytest.raises(TargetBusy):
        second.lock("app", 6, 0.3)
    first.unlock("app")
    with pytest.raises(StaleFence):
        second.lock("app", 4, 0.3)
    second.lock("app", 6, 0.3)
    for session in (first, second):
        session.close()


def test_contract_of_large_contents(way: Way) -> None:
    """5 MB arrive whole, once."""
    session, data = way.session(), os.urandom(5 << 20)
    sha = hashlib.sha256(data).hexdigest()
    assert session.send({sha: data}) == len(data)
    assert session.send({sha: data}) == 0
    kept = f"{way.folder}/state/objects/{sha[:2]}/{sha[2:]}"
    assert way.shell(f"sha256sum {kept}").split()[0] == sha
    session.close()


def cut_connection(way: Way, client: Client, host: Any) -> None:
    """End the process behind *client* on the target: the agent, or sshd's for this session."""
    if isinstance(client.channel, LocalChannel):
        os.kill(client.channel.pid, 9)
        return
    rows = client.call(
        "batch",
        {
            "reads": [
                {"op": "run", "args": {"argv": ["sh", "-c", "cut -d' ' -f4 /proc/$PPID/stat"]}}
            ]
        },
    )
    sshd = int(rows[0]["value"]["out"])
    assert host.inside(f"cat /proc/{sshd}/comm").stdout.startswith("sshd")
    host.inside(f"kill -9 {sshd}")


@pytest.mark.parametrize("effect_first", [True, False])
def test_connection_cut_in_a_command(
    way: Way, request: pytest.FixtureRequest, effect_first: bool
) -> None:
    """Cut in the middle: the journal and the witness decide, and the effect is there once."""
    over_ssh = way.spec.address != "local"
    host = request.getfixturevalue("host") if over_ssh else None
    session, side = way.session(), way.connect()
    count, ran = f"{way.folder}/count", f"{way.folder}/ran"
    effect, mark = f"echo x >> {count}", f"[ -e {ran} ] || {{ touch {ran}; sleep 30; }}"
    line = f"{effect}; {mark}" if effect_first else f"{mark}; {effect}"
    action = RunCommand(argv=("sh", "-c", line), witness=("sh", "-c", f"cat {count} || true"))
    session.lock("app", 1, 10)
    client = session._client
    assert client

    def cut() -> None:
        exists = {"reads": [{"op": "stat", "args": {"path": ran}}]}
        while side.call("batch", exists)[0]["value"]["kind"] == "absent":
            time.sleep(0.05)
        cut_connection(way, client, host)

    cutter = threading.Thread(target=cut)
    cutter.start()
    done = session.do("run/1", action)
    cutter.join()
    assert not client.alive
    assert (done.outcome, done.value.get("lost", False)) == ("done", effect_first)
    assert way.shell(f"cat {count}") == "x\n"
    assert session.outcome("run/1").outcome == "done"
    session.close()


def test_raw_call_over_a_cut_connection(host: Any) -> None:
    """Without a session a cut connection is AgentLost, well before the deadline."""
    way = Way(spec_of(host), "/var/tmp/raw")
    client, side = way.connect(), way.connect()
    threading.Timer(0.5, cut_connection, [way, client, host]).start()
    began = time.monotonic()
    reads = {"reads": [{"op": "run", "args": {"argv": ["sleep", "30"], "timeout_s": 30}}]}
    with pytest.raises(AgentLost):
        client.call("batch", reads, deadline_s=25)
    assert time.monotonic() - began < 10
    assert side.call("ping", {}) == {}
    for one in way.opened:
        one.close()


def test_nothing_listens_and_nothing_is_left(host: Any) -> None:
    """The agent opens no port; after the connection only its state folder is there."""
    way = Way(spec_of(host), "/var/tmp/trace")
    before = host.inside("ss -Hltn | sort").stdout
    client = way.connect()
    assert host.inside("ss -Hltn | sort").stdout == before
    assert host.inside("pgrep -fc autoloop-agen[t]").stdout.strip() != "0"
    client.close()
    for _ in range(50):
        if host.inside("pgrep -fc autoloop-agen[t]").stdout.strip() == "0":
            break
        time.sleep(0.1)
    else:
        pytest.fail("the agent is still there")
    assert host.inside("ls -A /var/tmp/trace").stdout.split() == ["state"]
    assert host.inside("stat -c %a /var/tmp/trace/state").stdout.strip() == "700"


def test_changed_host_key(host: Any, tmp_path: Path) -> None:
    """Another key than the known one: HostKeyChanged, and no agent is started."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "k")], check=True
    )
    kind, public = (tmp_path / "k.pub").read_text().split()[:2]
    with pytest.raises(HostKeyChanged, match="host key changed"):
        SshChannel(spec_of(host, known_hosts=f"{host.ip} {kind} {public}"))


def test_unknown_host_key(host: Any) -> None:
    """A host that is not in known_hosts is not trusted at first sight."""
    elsewhere = host.known_hosts.replace(host.ip, "192.0.2.1")
    with pytest.raises(HostUnreachable, match="not found in known_hosts"):
        SshChannel(spec_of(host, known_hosts=f"# a comment in it\n{elsewhere}"))


def test_broken_known_hosts(host: Any) -> None:
    """A line that holds no key is named."""
    with pytest.raises(HostUnreachable, match=r"no host key: '192\.0\.2\.1 ssh-ed25519 AAAAC3Nza'"):
        SshChannel(spec_of(host, known_hosts="192.0.2.1 ssh-ed25519 AAAAC3Nza\n"))


def test_wrong_key_of_the_user(host: Any, tmp_path: Path) -> None:
    """A login that is not allowed is HostUnreachable, and says what to check."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "k")], check=True
    )
    with pytest.raises(HostUnreachable, match="check user, key"):
        SshChannel(spec_of(host), key=(tmp_path / "k").read_text())


def test_wrong_port(host: Any) -> None:
    """Nobody listens there: HostUnreachable with the port in it, within the time to connect."""
    began = time.monotonic()
    with pytest.raises(HostUnreachable, match=":2: cannot connect"):
        SshChannel(spec_of(host, port=2))
    assert time.monotonic() - began < channels.CONNECT_S + 1


def test_silent_port(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody listens but never speaks: HostUnreachable within the time to connect."""
    monkeypatch.setattr(channels, "CONNECT_S", 1)
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as silent:
        began = time.monotonic()
        with pytest.raises(HostUnreachable):
            SshChannel(spec_of(host, address="127.0.0.1", port=silent.getsockname()[1]))
        assert time.monotonic() - began < 6


def test_power_cut_in_a_change(host: Any) -> None:
    """The power is cut after a change: the next run finds it in the journal and puts it back."""
    way = Way(spec_of(host), "/var/tmp/power")
    session, path = way.session(), "/var/tmp/power/f"
    way.shell(f"mkdir -p /var/tmp/power; printf old > {path}")
    session.lock("app", 1, 1)
    session.do("run/1", change(session, path, "new"))
    host.crash(keep=True)
    host.boot()
    session.close()
    for client in way.opened:
        client.close()
    later = way.session("later")
    later.lock("app", 2, 5)
    assert later.outcome("run/1").outcome == "reverted"
    assert way.shell(f"cat {path}") == "old"
    later.close()
