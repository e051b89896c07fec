"""Go back to the code before the last deployment, when that deployment brought what fails now."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from autoloop.core.deployment import changes_back, states_before
from autoloop.core.facts import Drift
from autoloop.core.putting_back import contents_of, effects_of, put_back
from autoloop.core.remedy import Context, Proposal, Refusal
from autoloop.core.suspicions.code import code_raises
from autoloop.core.target import FileChange, Observer, Read
from autoloop.core.words import Words


class RollbackRelease:
    """Only the code, and only if the file that raises is one that the deployment changed. What it
    goes back to was proved good before; settings and databases stay."""

    name = "rollback_release"
    cures = frozenset(
        {
            "CODE.syntax_error",
            "CODE.import_error",
            "CODE.runtime_error",
            "CODE.logic_error",
            "CODE.encoding_error",
        }
    )
    rank = 25
    words = Words(
        en="Go back to the code before the last deployment, and restart.",
        zh="将代码回滚到上一次部署之前的版本并重启。",
    )

    def propose(self, context: Context, host: Observer) -> Proposal | Refusal:
        """Needs a deployment whose changes are still there, with what raises among them."""
        spec, facts = context.spec, context.facts
        if spec.code is None or code_raises(spec, facts, context.component) is None:
            why = Words(
                en="no code raises that nobody has changed by hand",
                zh="没有未经手工修改而出错的代码",
            )
            return Refusal(remedy=self.name, why=why)
        before = _before_last_deployment(context, host)
        changes = changes_back(spec, before, with_config=False) if before else ()
        if before is None or not changes:
            why = Words(
                en="no deployment is known that the code could go back from",
                zh="没有可以回滚的部署",
            )
            return Refusal(remedy=self.name, why=why)
        culprit = context.cause.culprit.partition(":")[0]
        if f"{spec.code.path}/{culprit}" not in {change.path for change in changes}:
            why = Words(
                en=f"the last deployment did not change {culprit or 'what fails'}",
                zh=f"上一次部署没有修改 {culprit or '出错的文件'}",
            )
            return Refusal(remedy=self.name, why=why)
        return self._offer(context, changes, before["at"])

    def _offer(self, context: Context, changes: tuple[FileChange, ...], at: float) -> Proposal:
        back = [Drift(path=c.path, good=c.after, now=c.before) for c in changes]
        parts = context.spec.affected(change.path for change in changes)
        when = f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"
        culprit = context.cause.culprit
        return Proposal(
            remedy=self.name,
            why=Words(
                en=f"the deployment of {when} UTC changed {culprit}, which fails since;"
                f" {len(changes)} files go back",
                zh=f"{when} UTC 的部署修改了 {culprit}，此后该处出错；回滚 {len(changes)} 个文件",
            ),
            actions=put_back(back, parts),
            effects=effects_of(back, parts),
            risk="medium",
            files=contents_of(back),
        )

    def contents(self, context: Context, host: Observer) -> Mapping[str, bytes]:  # noqa: ARG002
        """None: the backup's contents are in the target's store."""
        return {}


def _before_last_deployment(context: Context, host: Observer) -> dict[str, Any] | None:
    """How the host differs from the backup that the last deployment took; None without one."""
    app = context.spec.name
    rows = host.observe([Read(op="backups", args={"app": app})], deadline_s=60)[0]
    ids = states_before(rows.value if rows.ok else ())
    if not ids:
        return None
    drift = host.observe([Read(op="drift", args={"app": app, "backup": ids[0]})], deadline_s=120)[0]
    found: dict[str, Any] | None = drift.value if drift.ok else None
    return found


REMEDY = RollbackRelease()
