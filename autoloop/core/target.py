"""What can be asked of a target, and done to it. The agent implements it, locally and over SSH.

Reading comes in batches: one round trip. Every change carries an operation id; asking again with
the same id gives the recorded outcome and does nothing twice.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Protocol

from pydantic import Field

from autoloop.core.words import Frozen

Outcome = Literal["not done", "half", "done", "reverted", "failed"]


class Read(Frozen):
    """One thing to look at. Never changes anything."""

    op: str
    args: dict[str, Any] = Field(default_factory=dict)


class Answer(Frozen):
    """What a `Read` gave: a value, or the reason why there is none."""

    ok: bool
    value: Any = None
    error: str = ""


class FileState(Frozen):
    """What is, or shall be, at a path. Content is named by its hash in the object store."""

    kind: Literal["absent", "file", "dir", "link"] = "absent"
    sha256: str = ""
    mode: int = 0
    uid: int = 0
    gid: int = 0
    link: str = ""


class FileChange(Frozen):
    """One path from what the plan saw to what the plan wants."""

    path: str
    before: FileState
    after: FileState


class RunCommand(Frozen):
    """Run a program on the target.

    *witness* is a read-only command whose output changes when this command has had its effect: it
    tells a later connection whether a lost command was done. Without one, only an *idempotent*
    command is run again.
    """

    kind: Literal["command"] = "command"
    argv: tuple[str, ...]
    timeout_s: float = 60.0
    env: dict[str, str] = Field(default_factory=dict)
    witness: tuple[str, ...] = ()
    idempotent: bool = False
    ok_codes: tuple[int, ...] = (0,)


class ChangeFiles(Frozen):
    """Change a set of paths together: all or none, over any crash.

    *wake* are the commands by which services see them, run when a later holder of the lock has put
    them back because this run never came back.
    """

    kind: Literal["files"] = "files"
    changes: tuple[FileChange, ...]
    wake: tuple[RunCommand, ...] = ()


class RunGuarded(Frozen):
    """Run programs whose effects go back with the operation, exactly.

    *stop* ends the writers first; they stay stopped. The folders *trees* and the databases *sqlite*
    are saved before *run* and become what they were when it fails, is reverted, or is left by a run
    that never came back; *undo* takes back what is in neither. The databases as they were then are
    kept as a backup of *app*. *wake* as in `ChangeFiles`. Once the operation *part_of* is
    committed, so is this one.
    """

    kind: Literal["guarded"] = "guarded"
    app: str
    run: tuple[RunCommand, ...]
    trees: tuple[str, ...] = ()
    sqlite: tuple[str, ...] = ()
    stop: tuple[RunCommand, ...] = ()
    undo: tuple[RunCommand, ...] = ()
    wake: tuple[RunCommand, ...] = ()
    part_of: str = ""


class StopProcess(Frozen):
    """End one process, known by its number and its start time in clock ticks since boot."""

    kind: Literal["process"] = "process"
    pid: int = Field(gt=1)
    started: int
    grace_s: float = 5.0


class SeenFile(Frozen):
    """A file as it was seen; one that is different in anything is another one."""

    path: str
    bytes: int  # that it takes on its file system
    size: int
    inode: int
    mtime_ns: int


class RemoveFiles(Frozen):
    """Remove files that are still as they were seen. There is no way back."""

    kind: Literal["remove"] = "remove"
    files: tuple[SeenFile, ...] = Field(min_length=1)


class SalvageDatabase(Frozen):
    """Put in the place of a damaged SQLite database what can be salvaged of it.

    Nobody may write to it meanwhile. With *complete*, only if no row is lost. It goes back as
    files do; *wake* as in `ChangeFiles`.
    """

    kind: Literal["salvage"] = "salvage"
    app: str
    path: str
    complete: bool
    wake: tuple[RunCommand, ...] = ()


class SaveBackup(Frozen):
    """Copy trees, files and databases into the target's backup store; keep the newest *keep*."""

    kind: Literal["backup"] = "backup"
    app: str
    trees: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    sqlite: tuple[str, ...] = ()
    keep: int = Field(default=5, ge=1)
    reason: str = ""
    good: bool = False


Action = Annotated[
    ChangeFiles
    | RunGuarded
    | RunCommand
    | StopProcess
    | RemoveFiles
    | SalvageDatabase
    | SaveBackup,
    Field(discriminator="kind"),
]


class Done(Frozen):
    """The recorded outcome of an operation on the target."""

    op: str
    outcome: Outcome
    value: dict[str, Any] = Field(default_factory=dict)
    repeated: bool = False


class Observer(Protocol):
    """Something that can be looked at: a live target, or a recording of one."""

    def observe(self, reads: Sequence[Read], deadline_s: float = 20.0) -> tuple[Answer, ...]:
        """Answer every read, in order, in one round trip."""
        ...


class Target(Observer, Protocol):
    """A live target. Changing it needs its lock; see `autoloop.agent.session`."""

    def lock(self, name: str, fence: int, wait_s: float) -> None:
        """Become the only writer of *name*; what an earlier writer left half done is put back.

        Raises:
            TargetBusy: it is held by another for longer than *wait_s* seconds.
            StaleFence: a holder with a higher number has been here.
        """
        ...

    def unlock(self, name: str) -> None:
        """Let the next writer in."""
        ...

    def do(self, op: str, action: Action, deadline_s: float = 120.0) -> Done:
        """Carry *action* out once; a second call with the same *op* reports the first."""
        ...

    def outcome(self, op: str) -> Done:
        """What the journal on the target says of *op*."""
        ...

    def revert(self, op: str, deadline_s: float = 120.0) -> Done:
        """Put the files, folders and databases of *op* back as they were, and check it."""
        ...

    def commit(self, op: str) -> Done:
        """Declare the files of *op* to be wanted: from here on they are not put back."""
        ...

    def send(self, objects: Mapping[str, bytes]) -> int:
        """Put contents, by SHA-256, into the target's store; returns the bytes that travelled."""
        ...
