"""Deployments: what one would change, how it ended, and which state one goes back to."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from autoloop.core.app import RISKS, AppSpec, Component, Risk
from autoloop.core.effect import Effect
from autoloop.core.errors import BadRequest, NotAllowed, RuleBroken
from autoloop.core.incident import digest
from autoloop.core.manifest import is_apart, is_text
from autoloop.core.markdown import plain
from autoloop.core.proof import Proof
from autoloop.core.target import FileChange
from autoloop.core.words import Frozen, Words

BEFORE = ": before deploying "
"""Stands in the reason of each backup that a deployment takes before it changes anything."""


class Extra(Frozen):
    """What a deployment does besides changing files, in this order.

    *packages*: run *argv* because the manifest *name* changed. *data*: run *argv*, the procedure
    *name*, if its check says so once the files are in place. *rows*: run *argv* if the query *name*
    does not give what is expected. *saved* goes back with the code; *stands* are the units that
    stand still meanwhile.
    """

    kind: Literal["packages", "data", "rows"]
    name: str
    argv: tuple[str, ...]
    saved: tuple[str, ...] = ()
    stands: tuple[str, ...] = ()

    @property
    def step(self) -> str:
        """The name of its operation."""
        return f"{self.kind}-{digest(self.name)}"


class Comparison(Frozen):
    """What a deployment would change. Nothing has happened yet.

    *source* is a folder on the platform's machine, or *backup* the id of one on the host. *broken*
    are breaches of the application's rules: with one, nothing is begun. *wish* names the block with
    the settings that are set, *sets* tells what that changes.
    """

    app: str
    source: str
    release: str
    changes: tuple[FileChange, ...]
    backup: str = ""
    stop_first: bool = False
    extras: tuple[Extra, ...] = ()
    broken: tuple[str, ...] = ()
    wish: str = ""
    sets: tuple[Effect, ...] = ()

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
        if not self.release:
            return "change"
        return f"backup {self.release}" if self.backup else f"release {self.release[:12]}"


def _kind(change: FileChange) -> str:
    if change.before.kind == "absent":
        return "new"
    return "deleted" if change.after.kind == "absent" else "modified"


class Ran(Frozen):
    """What was run besides changing files, and what it changed: packages, migrations."""

    kind: Literal["packages", "data", "rows"]
    name: str
    changed: tuple[str, ...] = ()


def risk_of(spec: AppSpec, comparison: Comparison) -> Risk:
    """Of what would be changed; running a procedure has its own."""
    data = (extra.name for extra in comparison.extras if extra.kind == "data")
    risks: list[Risk] = [spec.procedure(name).risk for name in data]
    risks += ["medium"] if comparison.changes or comparison.extras else ["none"]
    return max(risks, key=RISKS.index)


def approval_for(spec: AppSpec, comparison: Comparison) -> Words | None:
    """Why a person must approve it first; None when nobody need be asked.

    Raises:
        NotAllowed: nobody may approve it in this environment.
    """
    risk, limits = risk_of(spec, comparison), spec.limits
    if RISKS.index(risk) <= RISKS.index(limits.risk):
        return None
    if RISKS.index(risk) > RISKS.index(limits.approve):
        what = f"its risk is {risk}; in {spec.environment} nobody may approve more than "
        raise NotAllowed(comparison.what, f"{what}{limits.approve}", "change limits.approve")
    return Words(
        en=f"its risk is {risk}; {spec.environment} allows {limits.risk} without a person",
        zh=f"风险为 {risk}；环境 {spec.environment} 无人批准时最多允许 {limits.risk}",
    )


def plan_text(comparison: Comparison) -> str:
    """The plan as Markdown, for whoever decides."""
    lines = [f"# {comparison.app}: {comparison.what}", ""]
    lines += [f"- {_kind(change)} {plain(change.path)}" for change in comparison.changes[:200]]
    if len(comparison.changes) > 200:
        lines.append(f"- … {len(comparison.changes) - 200} more")
    for extra in comparison.extras:
        stands = f"; stands still meanwhile: {', '.join(extra.stands)}" if extra.stands else ""
        saved = f"; saved first: {', '.join(extra.saved)}" if extra.saved else ""
        what = plain(f"{extra.name}: {' '.join(extra.argv)}{saved}{stands}")
        lines.append(f"- {extra.kind} {what}")
    return "\n".join(lines) + "\n"


def refuse_broken(comparison: Comparison) -> None:
    """Begin nothing that breaks a rule.

    Raises:
        RuleBroken: naming the first breaches.
    """
    if comparison.broken:
        what = "; ".join(comparison.broken[:5])
        more = f" and {len(comparison.broken) - 5} more" if len(comparison.broken) > 5 else ""
        raise RuleBroken(comparison.what, f"{what}{more}", "correct it, or the rule")


class Placed(Frozen):
    """The files are in place; the services have been told. *down_s*: so long they stood still."""

    failed: str = ""
    ran: tuple[Ran, ...] = ()
    down_s: float = 0.0
    up_at: float = 0.0  # when they were started again, by the host's clock


class Back(Frozen):
    """What was put back. *left* is the backup of the databases as they were just before that,
    with what was written during *lost_s* seconds of proof."""

    left: str = ""
    lost_s: float = 0.0


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
    ran: tuple[Ran, ...] = ()
    down_s: float = 0.0
    back: Back | None = None


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
        if is_text(row["path"])
        and (with_config or str(row["path"]).startswith(inside))
        and not (row["path"] in spec.data.sqlite or is_apart(spec, row["path"]))
    )


def asked_for(spec: AppSpec, procedures: Iterable[str]) -> tuple[Extra, ...]:
    """The procedures that a person asks for, run if their checks say so, in this order.

    Raises:
        BadRequest: one could not be taken back.
    """
    stands = tuple(part.unit for part in writers(spec))
    extras = []
    for name in dict.fromkeys(procedures):
        one = spec.procedure(name)
        only_data = all(cause.startswith(("DATABASE.", "LOGIN.")) for cause in one.cures)
        in_data = only_data and bool(spec.data.sqlite)
        if not (in_data or one.undo):
            what = "could not be taken back: it has no undo, and what it changes is not saved"
            raise BadRequest(f"procedure '{name}'", what, "give it an undo, or run it by hand")
        saved = spec.data.sqlite if in_data else ()
        extras.append(Extra(kind="data", name=name, argv=one.apply, saved=saved, stands=stands))
    return tuple(extras)


def extras_of(
    spec: AppSpec, changes: Iterable[FileChange], with_data: bool = True
) -> tuple[Extra, ...]:
    """What must follow *changes*: packages when their manifest differs, then procedures."""
    wanted, extras = spec.deploy, []
    stands = tuple(part.unit for part in writers(spec))
    changed = {c.path for c in changes if c.before.sha256 != c.after.sha256}
    if spec.code and wanted.manifest and f"{spec.code.path}/{wanted.manifest}" in changed:
        extras.append(
            Extra(
                kind="packages",
                name=wanted.manifest,
                argv=wanted.install,
                saved=(wanted.environment,),
            )
        )
    for name in wanted.procedures if with_data else ():
        extras.append(
            Extra(
                kind="data",
                name=name,
                argv=spec.procedure(name).apply,
                saved=spec.data.sqlite,
                stands=stands,
            )
        )
    for one in spec.deploy.expect if with_data else ():
        if one.set:
            argv = ("python3", "-I", "-c", SET_ROWS, one.sqlite, one.set)
            saved = (one.sqlite,)
            extras.append(Extra(kind="rows", name=one.query, argv=argv, saved=saved, stands=stands))
    return tuple(extras)


SET_ROWS = (
    "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], timeout=10); "
    "c.execute(sys.argv[2]); c.commit(); c.close()"
)


def writers(spec: AppSpec) -> tuple[Component, ...]:
    """The components that write to the databases: those that run the code; who needs comes first,
    as they are stopped in this order."""
    runs = spec.code.runs if spec.code else ()
    parts = (p for p in spec.deepest_first() if not runs or p.name in runs)
    return tuple(reversed(tuple(parts)))


_INSTALLED = re.compile(r"/([A-Za-z0-9._]+)-([^-/]+)\.(?:dist|egg)-info$")


def packages_changed(folders: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """``name old → new`` for each Python package, from the folders that came and went.

    Args:
        folders: ``gone`` and ``made``, as the agent reports them of an operation under guard.
    """
    gone, made = (
        {m[1]: m[2] for f in folders.get(side, ()) if (m := _INSTALLED.search(f))}
        for side in ("gone", "made")
    )
    return tuple(
        f"{name} {gone.get(name, '-')} → {made.get(name, '-')}" for name in sorted({*gone, *made})
    )
