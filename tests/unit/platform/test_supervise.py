"""The supervisor: what it started ends with it, and it takes nobody else's place."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoloop.arena.processes import ProcessId, wait_until
from autoloop.core.errors import HostUnreachable, NotSettled
from autoloop.platform import supervise
from autoloop.platform.supervise import Child, Platform
from autoloop.settings import Settings

STARTS_ONE = """
import sys, time
from pathlib import Path
from autoloop.platform.supervise import Child
child = Child("one", [sys.executable, "-c", "import time; time.sleep(60)"], {}, Path(sys.argv[1]))
child.start()
print(child.process.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def chosen(tmp_path: Path) -> Settings:
    """Settings of a state folder of its own, with ports that nobody has."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        ports = [server.getsockname()[1] for server in (one, two)]
    return Settings(home=tmp_path / "home", prefect_port=ports[0], api_port=ports[1])


@pytest.fixture
def first(chosen: Settings) -> Iterator[Platform]:
    """A platform that has the state folder."""
    made = Platform(chosen)
    made.take_folder()
    yield made
    made.stop()


def test_children_die_with_their_supervisor(tmp_path: Path) -> None:
    """Killed by kill -9 it can tell nobody: the kernel does."""
    argv = [sys.executable, "-c", STARTS_ONE, str(tmp_path / "log")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout
        child = ProcessId.of(int(supervisor.stdout.readline()))
        assert child and child.alive()
        supervisor.kill()
        supervisor.wait(10)
        try:
            assert wait_until(lambda: not child.alive(), 10)
        finally:
            child.send(signal.SIGKILL)


def test_a_state_folder_has_one_platform(first: Platform, chosen: Settings) -> None:
    """The second is refused, and leaves what the first has written."""
    state = chosen.home / "platform.json"
    state.write_text("{}")
    first.take_folder()
    second = Platform(chosen)
    with pytest.raises(NotSettled, match="runs here already"):
        second.start()
    second.stop()
    assert state.exists()


@pytest.mark.parametrize("which", ["prefect_port", "api_port"])
def test_a_port_that_others_have_is_refused(
    chosen: Settings, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their answers would be taken for those of the platform's own server."""
    monkeypatch.setattr(supervise, "PORT_S", 0.2)
    platform, port = Platform(chosen), getattr(chosen, which)
    refused = pytest.raises(NotSettled, match=f"AUTOLOOP_{which.upper()}")
    with socket.create_server(("127.0.0.1", port)), refused:
        platform.start()
    platform.stop()
    assert [child.process for child in platform.children] == [None, None, None]


def test_a_port_that_a_connection_was_lent_is_refused(
    chosen: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody answers there, and yet nobody else can have it."""
    monkeypatch.setattr(supervise, "PORT_S", 0.2)
    platform = Platform(chosen)
    with socket.create_server(("127.0.0.1", 0)) as there, socket.socket() as lent:
        lent.bind(("127.0.0.1", chosen.api_port))
        lent.connect(there.getsockname())
        with pytest.raises(NotSettled, match="another program has it"):
            platform.start()
    platform.stop()


def test_a_child_that_ends_at_once_is_not_waited_for(
    chosen: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last words say why, without what is secret."""
    monkeypatch.setattr(supervise, "BACKOFF_S", (0.01,))
    platform = Platform(chosen)
    code = "raise SystemExit('address in use, password=hunter22')"
    child = Child("node", [sys.executable, "-c", code], {}, chosen.home / "logs" / "node.log")
    with pytest.raises(HostUnreachable, match="its node ended 4 times: address in use") as told:
        platform.wait_for("http://127.0.0.1:9/healthz", 60, [child])
    assert "hunter22" not in str(told.value)


@pytest.mark.parametrize(
    ("log", "said"),
    [
        (b"starts\naddress in use\n\n", "address in use"),
        (b"token=" + b"x" * supervise.LAST_WORDS, ""),
        (b"x" * supervise.LAST_WORDS + b"\nport \xff taken", "port \ufffd taken"),
        (b"", ""),
    ],
)
def test_the_last_words_of_a_child(tmp_path: Path, log: bytes, said: str) -> None:
    """Of a line that is not seen whole nothing is told: its beginning may say that it is secret."""
    (tmp_path / "log").write_bytes(log)
    assert Child("node", [], {}, tmp_path / "log").last_words() == said
    assert Child("node", [], {}, tmp_path / "none").last_words() == ""
