"""Starting and stopping a local lingzhi under its own supervisord."""

import http.client
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tree import LOGS, CannotRun, plain_environment, program, run, say

UNIT = "lingzhi"
CONF = "etc/supervisord.conf"
DEFAULT_PORT = 18080
HEALTHY_WITHIN_S = 30
LONGEST_SOCKET_PATH = 95  # bytes; the kernel takes 107, and supervisord adds .PID for a moment
ENDED = ("FATAL", "STOPPED", "EXITED", "DOWN")

SUPERVISOR_CONF = """\
[unix_http_server]
file={socket}
chmod=0700

[supervisord]
logfile={root}/log/supervisord.log
pidfile={root}/run/supervisord.pid
childlogdir={root}/log{user}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{socket}

; The log folder is named here too, so that errors are logged whatever the settings say.
[program:lingzhi]
command=/bin/sh -c 'set -a; . {root}/etc/lingzhi.env; exec {root}/venv/bin/gunicorn app:app'
directory={root}/app
environment=LINGZHI_BIND="127.0.0.1:{port}",LINGZHI_LOG_DIR="{root}/log"
autorestart=unexpected
; supervisord may notice an exit a second late; a start that fails must not count as a run.
startsecs=3
startretries=1
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile={root}/log/supervisor-lingzhi.log
"""


def supervisorctl(root: Path) -> list[str]:
    """The command that speaks to the supervisord of this root."""
    return [program(root, "supervisorctl"), "-c", str(root / CONF)]


def configured(root: Path, pattern: str) -> str | None:
    """What the pattern's group finds in the configuration of supervisord, if it is there."""
    conf = root / CONF
    found = re.search(pattern, conf.read_text(), re.MULTILINE) if conf.exists() else None
    return found[1] if found else None


def configured_port(root: Path) -> int:
    """The port of the last `up`, else the default."""
    return int(configured(root, r'LINGZHI_BIND="127\.0\.0\.1:(\d+)"') or DEFAULT_PORT)


def forget_socket(root: Path) -> None:
    """Remove the control socket of a supervisord that has ended, and its own short folder."""
    control = Path(configured(root, r"^file=(.+)$") or root / "run/supervisor.sock")
    control.unlink(missing_ok=True)
    if control.parent != root / "run":
        with suppress(OSError):
            control.parent.rmdir()


def write_supervisor_conf(root: Path, port: int) -> None:
    """The configuration of supervisord; its socket goes elsewhere when the root is long."""
    forget_socket(root)
    control = root / "run/supervisor.sock"
    if len(os.fsencode(control)) > LONGEST_SOCKET_PATH:
        control = Path(tempfile.mkdtemp(prefix="lingzhi-", dir="/tmp")) / "s"
    user = "\nuser=root" if os.geteuid() == 0 else ""
    text = SUPERVISOR_CONF.format(root=root, port=port, socket=control, user=user)
    (root / CONF).write_text(text)


def commands() -> dict[int, list[str]]:
    """The command line of every process."""
    if not Path("/proc/self/cmdline").exists():
        lines = run(["ps", "-axo", "pid=,args="]).splitlines()
        return {int(pid): rest for pid, *rest in (line.split() for line in lines)}
    found = {}
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found[int(entry.parent.name)] = entry.read_text(errors="replace").split("\0")
        except OSError:
            continue  # it has ended meanwhile
    return found


def pids_of(root: Path, *names: str) -> list[int]:
    """The processes that run one of these Python programs of this root's environment."""
    paths = [program(root, name) for name in names]
    running = commands().items()
    return [pid for pid, argv in running if "python" in argv[0] and argv[1:2] and argv[1] in paths]


def program_state(root: Path) -> str:
    """What supervisord says: RUNNING, STARTING, BACKOFF, FATAL, STOPPED, …; DOWN without it."""
    if not pids_of(root, "supervisord"):
        return "DOWN"
    asked = subprocess.run([*supervisorctl(root), "status", UNIT], capture_output=True, text=True)
    told = re.match(rf"{UNIT}\s+([A-Z]+)\b", asked.stdout)
    return told[1] if told else "STARTING"


def health(port: int) -> int:
    """The status code of GET /api/health; 0 when nothing answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def refuse_taken_port(port: int) -> None:
    """Make sure that nobody else listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise CannotRun(
                f"127.0.0.1:{port}: {error.strerror} - choose another --port"
            ) from error


def start(root: Path, port: int) -> None:
    """Have the app running under supervisord on the port; leaves it alone when it already is."""
    if not (root / CONF).exists():
        stop(root)  # what is left of a root that was deleted while it ran
    elif port != configured_port(root):
        refuse_taken_port(port)
        stop(root)
    state = program_state(root)
    if state in ("RUNNING", "STARTING"):
        return say(f"already {state.lower()}")
    stop_processes(root, "gunicorn")
    refuse_taken_port(port)
    if state == "DOWN":
        say("starting supervisord and the app")
        write_supervisor_conf(root, port)
        supervisord = [program(root, "supervisord"), "-c", str(root / CONF)]
        run(supervisord, env=plain_environment())
    else:
        say(f"starting the app, which was {state.lower()}")
        subprocess.run([*supervisorctl(root), "start", UNIT], capture_output=True)


def wait_until_healthy(root: Path, port: int) -> None:
    """Return when the app answers with 200; `CannotRun` with the ends of the logs when late."""
    deadline = time.monotonic() + HEALTHY_WITHIN_S
    state, code = "STARTING", 0
    while time.monotonic() < deadline and state not in ENDED:
        code, state = health(port), program_state(root)
        if code == 200 and state == "RUNNING":
            return
        time.sleep(0.2)
    tails = [
        f"--- {path}\n{tail_of(root / path)}" for path in LOGS.values() if "access" not in path
    ]
    raise CannotRun(
        f"http://127.0.0.1:{port}/api/health: {code or 'no answer'}, the program is {state} - "
        "see the ends of the logs\n" + "\n".join(tails)
    )


def tail_of(log: Path) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-12:]) if log.exists() else ""


def stop(root: Path) -> list[int]:
    """End supervisord, which ends the app, and what may be left of both; the pids that were."""
    pids = pids_of(root, "supervisord", "gunicorn")
    stop_processes(root, "supervisord")
    stop_processes(root, "gunicorn")
    forget_socket(root)
    return pids


def stop_processes(root: Path, name: str) -> None:
    """Ask the processes of a program to end, wait, and end those that did not."""
    for number, seconds in ((signal.SIGTERM, 20), (signal.SIGKILL, 5)):
        deadline = time.monotonic() + seconds
        for pid in pids_of(root, name):
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        while pids_of(root, name):
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
        else:
            return
