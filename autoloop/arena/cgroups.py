"""One control group for each host: all its processes are in it, and nobody else is.

Without it every host started from one shell shares a group, and their units overlap.
"""

import contextlib
import errno
import signal
from pathlib import Path

from autoloop.arena.processes import ProcessId, wait_until


def hierarchies() -> list[Path]:
    """Mount points of the hierarchies in which systemd keeps its units."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        place, _, rest = line.partition(" - ")
        kind, _, options = rest.split(maxsplit=2)
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            found.append(Path(place.split()[4]))
    return found


def groups_of(name: str) -> list[Path]:
    """The groups of that name, whether they exist or not."""
    return [root / name for root in hierarchies()]


def members(name: str) -> set[int]:
    """Process numbers in the groups of that name and all groups below."""
    found: set[int] = set()
    for group in groups_of(name):
        for file in group.rglob("cgroup.procs"):
            with contextlib.suppress(FileNotFoundError, OSError):
                found.update(int(pid) for pid in file.read_text().split())
    return found - {0}


def kill_members(name: str, seconds: float = 10.0) -> bool:
    """SIGKILL whoever is in the groups until nobody is; whether that was reached."""

    def empty() -> bool:
        inside = [ProcessId.of(pid) for pid in members(name)]
        still = members(name)
        for process in inside:
            if process and process.pid in still:
                process.send(signal.SIGKILL)
        return not still

    return wait_until(empty, seconds)


def remove_groups(name: str) -> bool:
    """Remove the empty groups, deepest first; whether they are gone."""

    def gone() -> bool:
        for group in groups_of(name):
            below = [path for path in group.rglob("*") if path.is_dir()]
            for path in [*sorted(below, reverse=True), group]:
                try:
                    path.rmdir()
                except OSError as error:
                    if error.errno not in (errno.ENOENT, errno.EBUSY, errno.ENOTEMPTY):
                        raise
        return not any(group.exists() for group in groups_of(name))

    return wait_until(gone, 2.0)
