"""File systems without room."""

from autoloop.core.app import AppSpec, Component, Health
from autoloop.core.diagnosis import Evidence
from autoloop.core.facts import Disk, Facts
from autoloop.core.probe import Finding
from autoloop.core.suspicions.seen import last_line

MOST_FLOOR = 1 << 30
MOST_INODES = 10_000


def disk_full(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """A file system that holds files of the component has no room left, whether that shows yet or
    not: most programs do not tell that they cannot write their logs."""
    own = set(spec.places(part))
    full = [d for d in facts.disks if own.intersection(d.paths) and is_full(d, spec.health)]
    if not full:
        return None
    said = last_line(facts.of(part).log, "No space left")
    return Finding(
        verdict="confirms",
        name="SERVICE.disk_full",
        component=part.name,
        culprit=full[0].place,
        likelihood=0.97,
        depth=34,
        alone=True,
        evidence=(
            *(Evidence(source=disk.place, excerpt=left_of(disk)) for disk in full),
            Evidence(source=f"log of {part.unit}", excerpt=said),
        ),
    )


def is_full(disk: Disk, health: Health) -> bool:
    """Whether so little is left that it is as good as nothing."""
    return disk.free < floor_of(disk, health) or disk.inodes_free < inode_floor_of(disk, health)


def floor_of(disk: Disk, health: Health) -> int:
    """Bytes below which a file system is called full: a share of it, of large ones 1 GiB."""
    return min(int(disk.total * health.free_percent / 100), MOST_FLOOR)


def inode_floor_of(disk: Disk, health: Health) -> int:
    """The same for files."""
    return min(int(disk.inodes * health.free_percent / 100), MOST_INODES)


def left_of(disk: Disk) -> str:
    """What is left, in words."""
    inodes = f", {disk.inodes_free} of {disk.inodes} files" if disk.inodes else ""
    return f"{megabytes(disk.free)} of {megabytes(disk.total)} free{inodes}"


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1e6:.1f} MB"
