"""Service managers: commands are built here and run elsewhere, answers are read here.

A manager knows four commands and how to read two answers. `Systemd` and `Supervisord` are the two
that exist; each test compares command lines and real answers.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

from autoloop.core.target import Answer, Read, RunCommand
from autoloop.core.words import Frozen

LIMIT_HOLDS = (
    "import subprocess, sys; unit, wanted = sys.argv[1:]; "
    "argv = ['systemctl', 'show', '--value', '-p', 'MemoryMax', unit]; "
    "found = subprocess.check_output(argv).decode().strip(); "
    "sys.exit(0 if found == wanted else unit + ': MemoryMax is ' + found + ', not ' + wanted)"
)

Activity = Literal["running", "starting", "stopped", "failed", "missing", "unknown"]


class ServiceState(Frozen):
    """A service as its manager sees it."""

    activity: Activity = "unknown"
    result: str = ""  # the manager's own word for how it ended: exit-code, signal, start-limit-hit
    exit_status: int | None = None
    pid: int = 0
    restarts: int = 0  # automatic restarts in a row
    since: float = 0.0  # seconds since boot at which it last became active; 0 unknown
    serial: str = ""  # another value after every start


class MemoryLimit(Frozen):
    """How a manager is told how much memory a service may take.

    *file* holds *content*; *reload* has it read; *holds* fails where the limit is not in force.
    """

    file: str
    content: str
    reload: RunCommand
    holds: RunCommand


class ServiceManager(Protocol):
    """How a kind of supervisor is spoken to."""

    name: str

    def state(self, unit: str) -> Read:
        """The read that `parse` understands."""
        ...

    def parse(self, answer: Answer) -> ServiceState:
        """The state in *answer*; ``unknown`` when the manager could not be asked."""
        ...

    def start(self, unit: str) -> RunCommand:
        """Start it; does nothing when it runs."""
        ...

    def stop(self, unit: str) -> RunCommand:
        """Stop it; does nothing when it is stopped."""
        ...

    def restart(self, unit: str) -> RunCommand:
        """Stop and start it, once."""
        ...

    def reload(self, unit: str) -> RunCommand | None:
        """Have it read its configuration anew while it serves; None where that cannot be asked."""
        ...

    def clear(self, unit: str) -> RunCommand | None:
        """Make it startable again after it has given up; None where a start does that."""
        ...

    def wake(self, unit: str) -> RunCommand:
        """Let processes go on that stand still: asleep they would not even end."""
        ...

    def memory(self, unit: str) -> Read | None:
        """How much its processes use; None where the manager does not know which these are."""
        ...

    def files(self, unit: str) -> Read | None:
        """How many files it has open, and may; None likewise."""
        ...

    def limited(self, unit: str) -> Read | None:
        """How much memory it may take now; None where the manager sets no limits."""
        ...

    def parse_limit(self, answer: Answer) -> int | None:
        """The bytes in *answer*; 0 for as much as there is, None when nobody can tell."""
        ...

    def limit(self, unit: str, size: int) -> MemoryLimit | None:
        """Let it take *size* bytes of memory and no more; None where that cannot be asked."""
        ...

    def logs(self, unit: str, lines: int) -> Read | None:
        """The newest *lines* of its log; None where the manager keeps none."""
        ...

    def story(self, unit: str, lines: int) -> Read:
        """What the manager itself noted of it, with times: starts, stops, ends and why."""
        ...


class Systemd:
    """systemd units, by ``systemctl`` and ``journalctl``."""

    name = "systemd"
    _PROPERTIES = (
        "LoadState,ActiveState,SubState,Result,ExecMainStatus,MainPID,NRestarts,"
        "ActiveEnterTimestampMonotonic,InvocationID"
    )

    def _command(self, verb: str, unit: str) -> RunCommand:
        return RunCommand(
            argv=("systemctl", verb, unit),
            timeout_s=100,
            witness=("systemctl", "show", "-p", "InvocationID,ActiveState", unit),
            idempotent=verb != "restart",
        )

    def state(self, unit: str) -> Read:
        return Read(op="run", args={"argv": ["systemctl", "show", "-p", self._PROPERTIES, unit]})

    def parse(self, answer: Answer) -> ServiceState:
        if not answer.ok or answer.value["code"] != 0:
            return ServiceState()
        shown = _pairs(answer.value["out"])
        return ServiceState(
            activity=self._activity(shown),
            result=shown.get("Result", ""),
            exit_status=int(shown.get("ExecMainStatus") or 0),
            pid=int(shown.get("MainPID") or 0),
            restarts=int(shown.get("NRestarts") or 0),
            since=int(shown.get("ActiveEnterTimestampMonotonic") or 0) / 1e6,
            serial=shown.get("InvocationID", ""),
        )

    @staticmethod
    def _activity(shown: Mapping[str, str]) -> Activity:
        if shown.get("LoadState") in ("not-found", "masked"):
            return "missing"
        names: dict[str, Activity] = {
            "active": "running",
            "reloading": "running",
            "activating": "starting",
            "deactivating": "stopped",
            "inactive": "stopped",
            "failed": "failed",
        }
        return names.get(shown.get("ActiveState", ""), "unknown")

    def start(self, unit: str) -> RunCommand:
        return self._command("start", unit)

    def stop(self, unit: str) -> RunCommand:
        return self._command("stop", unit)

    def restart(self, unit: str) -> RunCommand:
        return self._command("restart", unit)

    def reload(self, unit: str) -> RunCommand | None:
        return RunCommand(argv=("systemctl", "reload", unit), timeout_s=100, idempotent=True)

    def clear(self, unit: str) -> RunCommand | None:
        """Exit code 1 is "not loaded": there is nothing to clear."""
        argv = ("systemctl", "reset-failed", unit)
        return RunCommand(argv=argv, idempotent=True, ok_codes=(0, 1))

    def wake(self, unit: str) -> RunCommand:
        """Exit code 1 is "no process": there is nobody to wake."""
        argv = ("systemctl", "kill", "--signal=CONT", unit)
        return RunCommand(argv=argv, idempotent=True, ok_codes=(0, 1))

    def memory(self, unit: str) -> Read | None:
        return Read(op="memory", args={"unit": unit})

    def files(self, unit: str) -> Read | None:
        return Read(op="files", args={"unit": unit})

    def limited(self, unit: str) -> Read | None:
        return Read(op="run", args={"argv": ["systemctl", "show", "-p", "MemoryMax", unit]})

    def parse_limit(self, answer: Answer) -> int | None:
        shown = _pairs(answer.value["out"]) if answer.ok and answer.value["code"] == 0 else {}
        said = shown.get("MemoryMax", "")
        return 0 if said == "infinity" else int(said) if said.isdecimal() else None

    def limit(self, unit: str, size: int) -> MemoryLimit | None:
        """A drop-in of systemd's own kind: the unit's file is left as it is."""
        full = unit if "." in unit else f"{unit}.service"
        return MemoryLimit(
            file=f"/etc/systemd/system/{full}.d/autoloop-memory.conf",
            content=f"[Service]\nMemoryMax={size}\n",
            reload=RunCommand(argv=("systemctl", "daemon-reload"), idempotent=True),
            holds=RunCommand(
                argv=("python3", "-I", "-c", LIMIT_HOLDS, unit, str(size)), idempotent=True
            ),
        )

    def logs(self, unit: str, lines: int) -> Read | None:
        return self._journal("short-iso", unit, lines)

    def story(self, unit: str, lines: int) -> Read:
        return self._journal("short-unix", unit, lines)

    @staticmethod
    def _journal(form: str, unit: str, lines: int) -> Read:
        argv = ["journalctl", "-q", "--no-pager", "-o", form, "-n", str(lines), "-u", unit]
        return Read(op="run", args={"argv": argv})


class Supervisord:
    """Programs of supervisord, by the ``supervisorctl`` command line that reaches it."""

    name = "supervisord"

    def __init__(self, command: tuple[str, ...] = ("supervisorctl",)) -> None:
        self.command = command

    def _command(self, verb: str, unit: str) -> RunCommand:
        return RunCommand(
            argv=(*self.command, verb, unit),
            timeout_s=100,
            witness=(*self.command, "pid", unit),
            idempotent=verb != "restart",
        )

    def state(self, unit: str) -> Read:
        return Read(op="run", args={"argv": [*self.command, "status", unit]})

    def parse(self, answer: Answer) -> ServiceState:
        words = answer.value["out"].split() if answer.ok else []
        if len(words) < 2 or words[0].startswith("unix://"):  # supervisord itself does not answer
            return ServiceState()
        names: dict[str, Activity] = {
            "RUNNING": "running",
            "STARTING": "starting",
            "BACKOFF": "starting",
            "STOPPED": "stopped",
            "EXITED": "stopped",
            "FATAL": "failed",
        }
        pid = int(words[3].rstrip(",")) if words[1] == "RUNNING" and len(words) > 3 else 0
        missing = "no such process" in answer.value["out"]
        return ServiceState(
            activity="missing" if missing else names.get(words[1], "unknown"),
            result="" if missing else words[1].lower(),
            pid=pid,
            serial=str(pid),
        )

    def start(self, unit: str) -> RunCommand:
        return self._command("start", unit)

    def stop(self, unit: str) -> RunCommand:
        return self._command("stop", unit)

    def restart(self, unit: str) -> RunCommand:
        return self._command("restart", unit)

    def reload(self, unit: str) -> RunCommand | None:  # noqa: ARG002 - it knows signals only
        return None

    def clear(self, unit: str) -> RunCommand | None:  # noqa: ARG002 - a start clears FATAL
        return None

    def wake(self, unit: str) -> RunCommand:
        argv = (*self.command, "signal", "CONT", unit)
        return RunCommand(argv=argv, idempotent=True, ok_codes=(0, 1, 2, 7))

    def limited(self, unit: str) -> Read | None:  # noqa: ARG002 - it limits nothing
        return None

    def parse_limit(self, answer: Answer) -> int | None:  # noqa: ARG002
        return None

    def limit(self, unit: str, size: int) -> MemoryLimit | None:  # noqa: ARG002
        return None

    def memory(self, unit: str) -> Read | None:  # noqa: ARG002 - it knows the first process only
        return None

    def files(self, unit: str) -> Read | None:  # noqa: ARG002 - likewise
        return None

    def logs(self, unit: str, lines: int) -> Read | None:  # noqa: ARG002 - logs are files there
        return None

    def story(self, unit: str, lines: int) -> Read:  # noqa: ARG002 - one log for all programs
        return Read(op="run", args={"argv": [*self.command, "maintail", f"-{lines * 80}"]})


def _pairs(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
