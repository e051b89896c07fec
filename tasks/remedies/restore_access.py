"""Give files back the owner and mode that they had when the application was last proved good."""

from collections.abc import Mapping

from autoloop.core.putting_back import contents_of, effects_of, names_of, put_back
from autoloop.core.remedy import Context, Proposal, Refusal
from autoloop.core.suspicions.seen import owns, same_content
from autoloop.core.target import Observer
from autoloop.core.words import Words


class RestoreAccess:
    """Exactly what it was, never wider; contents stay."""

    name = "restore_access"
    cures = frozenset({"CONFIG.permission_denied"})
    rank = 10
    words = Words(
        en="Give the files their owner and mode of the last good state, and restart.",
        zh="将文件的属主和权限恢复为最近一次正常时的状态并重启。",
    )

    def propose(self, context: Context, host: Observer) -> Proposal | Refusal:  # noqa: ARG002
        """Needs files of which only owner or mode differ from the last good state."""
        part = context.component
        lost = [
            d for d in context.facts.drift if same_content(d) and owns(context.spec, part, d.path)
        ]
        if not lost:
            why = Words(en="owners and modes are as they were", zh="文件属主和权限没有变化")
            return Refusal(remedy=self.name, why=why)
        names = names_of(lost)
        return Proposal(
            remedy=self.name,
            why=Words(en=f"{names}: access changed since all was well", zh=f"{names} 的权限已改变"),
            actions=put_back(lost, [part]),
            effects=effects_of(lost, [part]),
            risk="low",
            files=contents_of(lost),
        )

    def contents(self, context: Context, host: Observer) -> Mapping[str, bytes]:  # noqa: ARG002
        """None: contents do not change."""
        return {}


REMEDY = RestoreAccess()
