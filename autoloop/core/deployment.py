"""Deployments: what one would change, how it ended, and which state one goes back to."""

from collections.abc import Iterable, Mapping
from typing import Any

from autoloop.core.app import AppSpec
from autoloop.core.proof import Proof
from autoloop.core.target import FileChange
from autoloop.core.words import Frozen

BEFORE = ": before deploying "
"""Stands in the reason of each backup that a deployment takes before it changes anything."""


class Comparison(Frozen):
    """What a deployment would change. Nothing has happened yet.

    *source* is a folder on the platform's machine, or *backup* the id of one on the host.
    """

    app: str
    source: str
    release: str
    changes: tuple[FileChange, ...]
    backup: str = ""
    stop_first: bool = False

    def count(self, kind: str) -> int:
        """How many files are ``new``, ``modified`` or ``deleted``."""
        return sum(1 for change in self.changes if _kind(change) == kind)

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that is changed."""
        return tuple(change.path for change in self.changes)

    @property
    def what(self) -> str:
        """What is put in place, as people call it."""
        return f"backup {self.release}" if self.backup else f"release {self.release[:12]}"


def _kind(change: FileChange) -> str:
    if change.before.kind == "absent":
        return "new"
    return "deleted" if change.after.kind == "absent" else "modified"


class Placed(Frozen):
    """The files are in place; the services have been told."""

    operations: tuple[str, ...]
    failed: str = ""


class Deployment(Frozen):
    """How a deployment, or going back to a backup, ended."""

    app: str
    release: str
    backup: str
    new: int
    modified: int
    deleted: int
    kept: bool
    proof: Proof
    why: str = ""


def states_before(backups: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Ids of the backups that deployments took before they changed anything, the newest first.

    Args:
        backups: rows of the agent's ``backups`` read.
    """
    rows = sorted(backups, key=lambda row: float(row["at"]), reverse=True)
    return tuple(str(row["id"]) for row in rows if BEFORE in str(row["reason"]))


def changes_back(
    spec: AppSpec, drift: Mapping[str, Any], with_config: bool
) -> tuple[FileChange, ...]:
    """The changes that lead back to the backup that *drift* was made with.

    Args:
        drift: the value of the agent's ``drift`` read.
        with_config: not only the code, but also configuration and settings.
    """
    inside = f"{spec.code.path}/" if spec.code else "\0"
    return tuple(
        FileChange(path=row["path"], before=row["now"], after=row["good"])
        for row in drift["changes"]
        if with_config or str(row["path"]).startswith(inside)
    )
