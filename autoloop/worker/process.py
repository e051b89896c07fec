"""Processes known by host, number *and* start time, so that no stranger is taken for a child."""

import contextlib
import os
import signal
import socket
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

PROC = Path("/proc")
STATE, GROUP, START = 0, 2, 19  # fields of /proc/PID/stat, counted from the state on


@cache
def boot() -> str:
    """Which boot of this machine it is; start times are counted from it."""
    return (PROC / "sys/kernel/random/boot_id").read_text()[:8]


@dataclass(frozen=True)
class ProcessId:
    """One process for good. As text: ``host:pid:boot-ticks``."""

    host: str
    pid: int
    start: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has the number now, if there is one."""
        fields = stat_fields(pid)
        return cls(socket.gethostname(), pid, f"{boot()}-{fields[START]}") if fields else None

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """The process that the text names; None for anything that is not of our making."""
        parts = (text or "").rsplit(":", 2)
        if len(parts) != 3 or not parts[1].isdigit() or "-" not in parts[2]:
            return None
        return cls(parts[0], int(parts[1]), parts[2])

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}:{self.start}"

    def alive(self) -> bool:
        """Whether it runs on this machine; a zombie does not."""
        fields = stat_fields(self.pid)
        if fields is None or fields[STATE] in "ZX" or self.host != socket.gethostname():
            return False
        return self.start == f"{boot()}-{fields[START]}"

    def kill(self, wait_s: float = 5.0) -> bool:
        """Kill it with SIGKILL and wait until it is gone. True when it is."""
        end = time.monotonic() + wait_s
        while self.alive():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self.pid, signal.SIGKILL)
            if time.monotonic() > end:
                return False
            time.sleep(0.01)
        return True

    def kill_group(self) -> None:
        """Kill what it started and what still belongs to its process group, later the process.

        What made itself a daemon has left the group, and lives.
        """
        if self.host != socket.gethostname() or not self.start.startswith(boot()):
            return
        for pid in members(self.pid):
            fields = stat_fields(pid)
            if fields and int(fields[START]) >= int(self.start.rpartition("-")[2]):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)


def stat_fields(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on; None when there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def members(group: int) -> list[int]:
    """Processes of a process group."""
    numbers = [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
    return [n for n in numbers if (f := stat_fields(n)) is not None and int(f[GROUP]) == group]
