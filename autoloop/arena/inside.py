"""Run things in a host the way a judge must: through its namespaces, not through its doors.

Nothing logs in, so nothing in the host tells that somebody was there. The text of a script
travels on standard input and shows in no process list.
"""

import contextlib
import os
import secrets
import signal
import subprocess
import tempfile
from dataclasses import dataclass

from autoloop.arena.errors import CommandTimedOut
from autoloop.arena.processes import ProcessId

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CLEAN = ["env", "-i", PATH, "HOME=/root", "USER=root", "LOGNAME=root", "LANG=C.UTF-8"]
SHELL = ["bash", "-c", 'eval "$(cat)"']


@dataclass(frozen=True)
class Finished:
    """How a command ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether it ended with 0."""
        return self.returncode == 0

    @property
    def words(self) -> str:
        """Its last words, for a message of one line."""
        text = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return f"exit {self.returncode}: {text[-1] if text else 'it said nothing'}"


def run_inside(leader: ProcessId, script: str, timeout_s: float) -> Finished:
    """Run a shell script as root in the host of which `leader` is process 1.

    It is in no control group of the host. Raises `CommandTimedOut` after killing it.
    """
    return _run([*_enter(leader), *CLEAN, *SHELL], script, timeout_s)


def run_as_visitor(leader: ProcessId, script: str, timeout_s: float) -> Finished:
    """The same in a session scope of its own, as after a login that is over.

    What the script leaves running belongs to that scope and to no service of the host.
    """
    number = f"c{100 + secrets.randbelow(900)}"  # far from those that logind gives out
    scope = [
        *("systemd-run", "--scope", "--quiet", "--collect", "--slice=user-0.slice"),
        *(f"--unit=session-{number}.scope", f"--description=Session {number} of User root"),
    ]
    return _run([*_enter(leader), *CLEAN, *scope, *SHELL], script, timeout_s)


def _enter(leader: ProcessId) -> list[str]:
    words = ["nsenter", "--target", str(leader.pid), "--mount", "--uts", "--ipc", "--net"]
    return [*words, "--pid", "--cgroup", "--root", "--wd", "--"]


def _run(command: list[str], script: str, timeout_s: float) -> Finished:
    """Output goes to files: a process that the script leaves behind may keep them open."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
            text=True,
            start_new_session=True,
        )
        try:
            process.communicate(script, timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            raise CommandTimedOut(
                "script in a host",
                f"not done after {timeout_s:g} s: {script.strip().splitlines()[0]!r}",
                "look at the host, or give it more time",
            ) from error
        finally:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        out.seek(0)
        err.seek(0)
        return Finished(process.returncode, out.read(), err.read())
