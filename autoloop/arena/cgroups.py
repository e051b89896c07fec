"""One control group for each host: all its processes are in it, and nobody else is.

Without it every host started from one shell shares a group, and their units overlap.
"""

import contextlib
import errno
import os
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
        for place in with_subgroups(group):
            found.update(processes_in(place))
    return found - {0}


def with_subgroups(group: Path) -> list[Path]:
    """The group and all below it, the deepest last; groups may go while we look."""
    return [Path(place) for place, _, _ in os.walk(group)]


def processes_in(group: Path) -> list[int]:
    """The processes directly in the group; none if it is gone."""
    with contextlib.suppress(OSError):
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    return []


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
            for path in reversed(with_subgroups(group)):
                try:
                    path.rmdir()
                except OSError as error:
                    if error.errno not in (errno.ENOENT, errno.EBUSY, errno.ENOTEMPTY):
                        raise
        return not any(group.exists() for group in groups_of(name))

    return wait_until(gone, 2.0)
