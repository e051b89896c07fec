"""Put code back that was changed by hand since the application was last proved good."""

from collections.abc import Mapping

from autoloop.core.putting_back import contents_of, effects_of, names_of, put_back
from autoloop.core.remedy import Context, Proposal, Refusal
from autoloop.core.suspicions.code import changed_code
from autoloop.core.target import Observer
from autoloop.core.words import Words


class RestoreCode:
    """Only the files that differ, from the target's own store; then what runs them is restarted."""

    name = "restore_code"
    cures = frozenset(
        {
            "CODE.syntax_error",
            "CODE.import_error",
            "CODE.runtime_error",
            "CODE.logic_error",
            "CODE.encoding_error",
        }
    )
    rank = 10
    words = Words(
        en="Restore the files of the code that changed since all was well, and restart.",
        zh="恢复自正常状态后被修改的代码文件并重启。",
    )

    def propose(self, context: Context, host: Observer) -> Proposal | Refusal:  # noqa: ARG002
        """Needs files of the code that differ from the last good state."""
        changed = changed_code(context.spec, context.facts)
        if not changed:
            why = Words(en="the code is as it was when all was well", zh="代码与正常状态一致")
            return Refusal(remedy=self.name, why=why)
        parts, names = context.spec.affected(d.path for d in changed), names_of(changed)
        return Proposal(
            remedy=self.name,
            why=Words(en=f"{names} changed since all was well", zh=f"{names} 自正常状态后被修改"),
            actions=put_back(changed, parts),
            effects=effects_of(changed, parts),
            risk="medium",
            files=contents_of(changed),
        )

    def contents(self, context: Context, host: Observer) -> Mapping[str, bytes]:  # noqa: ARG002
        """None: the last good contents are in the target's store."""
        return {}


REMEDY = RestoreCode()
