"""Service managers: real answers are read, and the same questions get the same answers."""

import importlib.util
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoloop.core.service import ServiceManager, Supervisord, Systemd
from autoloop.core.target import Answer

# Recorded from systemd 252 (Debian 12) and supervisor 4.3.
SYSTEMD = {
    "running": "MainPID=65\nResult=success\nNRestarts=0\nExecMainStatus=0\nLoadState=loaded\n"
    "ActiveState=active\nSubState=running\nActiveEnterTimestampMonotonic=12331618121\n"
    "InvocationID=6b6f7d2b5f24414cb772deb2bee26c22\n",
    "failed": "MainPID=0\nResult=exit-code\nNRestarts=0\nExecMainStatus=1\nLoadState=loaded\n"
    "ActiveState=failed\nSubState=failed\nActiveEnterTimestampMonotonic=12331641333\n"
    "InvocationID=7f8a30b5324f4ceebc4439bfc6f344ea\n",
    "starting": "MainPID=0\nResult=exit-code\nNRestarts=0\nExecMainStatus=1\nLoadState=loaded\n"
    "ActiveState=activating\nSubState=auto-restart\nActiveEnterTimestampMonotonic=12331693754\n"
    "InvocationID=e66fec88d4b743029c96ab3dde9ac124\n",
    "stopped": "MainPID=0\nResult=success\nNRestarts=0\nExecMainStatus=0\nLoadState=loaded\n"
    "ActiveState=inactive\nSubState=dead\nActiveEnterTimestampMonotonic=0\nInvocationID=\n",
    "missing": "MainPID=0\nResult=success\nNRestarts=0\nExecMainStatus=0\nLoadState=not-found\n"
    "ActiveState=inactive\nSubState=dead\nActiveEnterTimestampMonotonic=0\nInvocationID=\n",
}
SUPERVISORD = {
    "running": (0, "app                              RUNNING   pid 65, uptime 0:00:06\n"),
    "failed": (3, "app   FATAL     Exited too quickly (process log may have details)\n"),
    "starting": (0, "app   BACKOFF   Exited too quickly (process log may have details)\n"),
    "stopped": (3, "app                              STOPPED   Not started\n"),
    "missing": (4, "app: ERROR (no such process)\n"),
}


def said(out: str, code: int = 0, err: str = "") -> Answer:
    """The answer of a program."""
    value = {"code": code, "out": out, "err": err, "seconds": 0.1, "timed_out": False}
    return Answer(ok=True, value=value)


RECORDED = {
    "systemd": (Systemd(), {name: said(out) for name, out in SYSTEMD.items()}),
    "supervisord": (Supervisord(), {n: said(out, code) for n, (code, out) in SUPERVISORD.items()}),
}
MANAGERS = pytest.mark.parametrize("manager", [m for m, _ in RECORDED.values()], ids=list(RECORDED))


@pytest.mark.parametrize("kind", list(RECORDED))
@pytest.mark.parametrize("activity", ["running", "starting", "stopped", "failed", "missing"])
def test_every_state_is_read_from_a_real_answer(kind: str, activity: str) -> None:
    """Only what runs has a process."""
    manager, answers = RECORDED[kind]
    state = manager.parse(answers[activity])
    assert state.activity == activity
    assert state.pid == (65 if activity == "running" else 0)


@MANAGERS
@pytest.mark.parametrize(
    "answer",
    [
        Answer(ok=False, error="ENOENT"),
        said("", 127, "No such file or directory"),
        said("", 1, "Failed to connect to bus"),
        said("unix:///run/supervisor.sock no such file\n", 4),
        said("unix:///run/supervisor.sock refused connection\n", 4),
        said("nonsense", 1),
        said("", 0),
    ],
)
def test_a_manager_that_cannot_be_asked_is_unknown(manager: ServiceManager, answer: Answer) -> None:
    """Never an exception, never taken for stopped."""
    assert manager.parse(answer).activity == "unknown"


@MANAGERS
def test_commands_name_the_unit_and_can_be_settled_after_a_loss(manager: ServiceManager) -> None:
    """Each has a witness; only a restart is not simply done again. Success is exit code 0."""
    for verb in ("start", "stop", "restart"):
        command = getattr(manager, verb)("app")
        assert command.argv[-2:] == (verb, "app")
        assert command.witness and "app" in command.witness
        assert command.idempotent is (verb != "restart")
        assert command.ok_codes == (0,)
    for command in (manager.clear("app"), manager.reload("app")):
        assert command is None or command.idempotent


def test_a_unit_that_is_not_loaded_has_nothing_to_clear() -> None:
    """systemd forgets stopped units that nothing wants: reset-failed then ends with 1."""
    clear = Systemd().clear("idle.service")
    assert clear and 1 in clear.ok_codes


CONF = """
[unix_http_server]
file={0}/s
[supervisord]
logfile={0}/log
pidfile={0}/pid
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{0}/s
[program:app]
command=sleep 100
[program:idle]
command=sleep 100
autostart=false
[program:bad]
command=false
startretries=0
"""


@pytest.fixture
def supervisord(tmp_path: Path) -> Iterator[Supervisord]:
    """A real one, where it is installed."""
    if importlib.util.find_spec("supervisor") is None:
        pytest.skip("supervisor is not installed here: its recorded answers are read above")
    conf = tmp_path / "c"
    conf.write_text(CONF.format(tmp_path))
    run = [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(conf)]
    process = subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield Supervisord((sys.executable, "-m", "supervisor.supervisorctl", "-c", str(conf)))
    process.terminate()
    process.wait(10)


def test_a_real_supervisord_agrees(supervisord: Supervisord) -> None:
    """States and exit codes as recorded."""

    def ask(argv: Any) -> Answer:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        return said(done.stdout, done.returncode, done.stderr)

    def activity(unit: str) -> str:
        return supervisord.parse(ask(supervisord.state(unit).args["argv"])).activity

    end = time.monotonic() + 10
    while activity("app") != "running" and time.monotonic() < end:
        time.sleep(0.2)
    assert [activity(u) for u in ("app", "idle", "bad", "nix")] == [
        "running", "stopped", "failed", "missing",
    ]  # fmt: skip
    assert ask(supervisord.start("app").argv).value["code"] == 0
    assert ask(supervisord.start("bad").argv).value["code"] != 0
