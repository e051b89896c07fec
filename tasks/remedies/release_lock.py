"""Restart the component that keeps a database to itself."""

from collections.abc import Mapping

from autoloop.core.effect import Effect
from autoloop.core.putting_back import restarts
from autoloop.core.remedy import Context, Proposal, Refusal
from autoloop.core.target import Observer
from autoloop.core.words import Words


class ReleaseLock:
    """For a lock of another component of the same application: SQLite takes back what that one has
    not committed. A process of anybody else's may be a backup or a person at work."""

    name = "release_lock"
    cures = frozenset({"DATABASE.deadlock_or_lock_timeout"})
    rank = 10
    words = Words(
        en="Restart the component that keeps the database to itself.", zh="重启独占数据库的组件。"
    )

    def propose(self, context: Context, host: Observer) -> Proposal | Refusal:  # noqa: ARG002
        """Needs a holder whose unit is a component."""
        path, waits = context.cause.culprit, context.component.unit
        locks = (one for one in context.facts.locks if (one.path, one.kind) == (path, "WRITE"))
        held = next((one for one in locks if one.unit != waits), None)
        if held is None:
            why = Words(en=f"nobody holds {path} any more", zh=f"{path} 已无人占用")
            return Refusal(remedy=self.name, why=why)
        who = f"{held.pid} {held.unit or held.command[:200]}"
        part = next((p for p in context.spec.components if p.unit == held.unit), None)
        if part is None:
            why = Words(
                en=f"process {who} holds {path}, and is none of the application's: end it, or wait",
                zh=f"进程 {who} 占用 {path}，且不属于该应用：请结束它或等待",
            )
            return Refusal(remedy=self.name, why=why, person=True)
        return Proposal(
            remedy=self.name,
            why=Words(en=f"process {who} holds {path}", zh=f"进程 {who} 占用 {path}"),
            actions=restarts([part]),
            effects=(Effect(kind="unit", subject=part.unit, before="running", after="running"),),
            risk="low",
        )

    def contents(self, context: Context, host: Observer) -> Mapping[str, bytes]:  # noqa: ARG002
        """None: only commands are run."""
        return {}


REMEDY = ReleaseLock()
