"""File systems without room, and limits below theirs."""

from autoloop.core.app import AppSpec, Component, Health
from autoloop.core.diagnosis import Evidence
from autoloop.core.facts import Disk, Facts, Quota
from autoloop.core.probe import Finding
from autoloop.core.suspicions.seen import last_line, suffers

MOST_FLOOR = 1 << 30
MOST_INODES = 10_000
QUOTA_SAID = ("Disk quota exceeded", "EDQUOT", "超出磁盘限额")
"""What the system calls it; a "quota" alone may be anybody's."""


def disk_full(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """A file system that holds files of the component has no room left, whether that shows yet or
    not: most programs do not tell that they cannot write their logs."""
    full = [disk for disk in disks_of(spec, facts, part) if is_full(disk, spec.health)]
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


def quota_reached(spec: AppSpec, facts: Facts, part: Component) -> Finding | None:
    """The component may write no more, where its file systems have room: a limit that is seen is
    reached, or a component in trouble was told so of one that is not seen."""
    disks = disks_of(spec, facts, part)
    if any(is_full(disk, spec.health) for disk in disks):
        return None
    used_up = [(d, q) for d in disks for q in d.quotas if is_used_up(q, spec.health)]
    told = suffers(spec, facts, part)
    said = next((x for word in QUOTA_SAID if (x := last_line(facts.of(part).log, word))), "")
    if not used_up and not (told and said):
        return None
    inner = sorted((disk.place for disk in disks), key=len, reverse=True)
    named = [place for place in inner if place in said]
    return Finding(
        verdict="confirms",
        name="SERVICE.disk_full",
        component=part.name,
        culprit=used_up[0][0].place if used_up else (named or [part.unit])[0],
        likelihood=0.97 if used_up else 0.85,
        depth=34 if used_up else 33,
        alone=bool(used_up),
        evidence=(
            *(Evidence(source=disk.place, excerpt=used_of(quota)) for disk, quota in used_up),
            *(Evidence(source=disk.place, excerpt=f"has room: {left_of(disk)}") for disk in disks),
            Evidence(source=f"log of {part.unit}", excerpt=said),
        ),
    )


def disks_of(spec: AppSpec, facts: Facts, part: Component) -> list[Disk]:
    """The file systems that hold files of the component."""
    own = set(spec.places(part))
    return [disk for disk in facts.disks if own.intersection(disk.paths)]


def is_used_up(quota: Quota, health: Health) -> bool:
    """Whether so little of it is left that it is as good as nothing."""
    return quota.limit - quota.used <= quota.limit * health.free_percent / 100


def used_of(quota: Quota) -> str:
    """What is used of it, in words."""
    return f"quota of {quota.whose}: {megabytes(quota.used)} of {megabytes(quota.limit)} used"


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
