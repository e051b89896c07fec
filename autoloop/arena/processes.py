"""Processes known by number *and* start time, so that no stranger is ever signalled."""

import contextlib
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessId:
    """One process for good: its number is used again, number and start time are not."""

    pid: int
    start: int

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has the number now."""
        fields = stat_fields(pid)
        return cls(pid, int(fields[19])) if fields else None

    @classmethod
    def own(cls) -> Self:
        """The process that asks."""
        mine = cls.of(os.getpid())
        assert mine is not None
        return mine

    def alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        fields = stat_fields(self.pid)
        return fields is not None and fields[0] not in "ZX" and int(fields[19]) == self.start

    def send(self, number: signal.Signals) -> None:
        """Signal it, if it still runs."""
        with contextlib.suppress(ProcessLookupError):
            handle = os.pidfd_open(self.pid)
            try:
                if self.alive():
                    signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)


def stat_fields(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the state on (19: start time); None when it is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def children_of(pid: int) -> list[int]:
    """Direct children of the process."""
    found = []
    for task in (PROC / str(pid) / "task").glob("*/children"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found += [int(child) for child in task.read_text().split()]
    return found


def is_init(pid: int) -> bool:
    """Whether the process is number 1 of a namespace of its own."""
    try:
        status = (PROC / str(pid) / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
    return len(numbers) > 1 and numbers[-1] == "1"


def wait_until(true: Callable[[], bool], seconds: float, step_s: float = 0.03) -> bool:
    """Whether it became true within the time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(step_s)
    return True
