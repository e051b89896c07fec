"""Give files back the owner and mode that they had when the application was last proved good."""

from collections.abc import Mapping

from autoloop.core.effect import Effect
from autoloop.core.remedy import Context, PlannedAction, Proposal, Refusal
from autoloop.core.suspicions.seen import access, owns, same_content
from autoloop.core.target import ChangeFiles, FileChange, Observer
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
        manager = part.service()
        clear = manager.clear(part.unit)
        changes = tuple(FileChange(path=d.path, before=d.now, after=d.good) for d in lost)
        names = ", ".join(d.path for d in lost[:5])
        return Proposal(
            remedy=self.name,
            why=Words(en=f"{names}: access changed since all was well", zh=f"{names} 的权限已改变"),
            actions=(
                PlannedAction(action=ChangeFiles(changes=changes)),
                *([PlannedAction(action=clear)] if clear else []),
                PlannedAction(action=manager.restart(part.unit)),
            ),
            effects=(
                *(
                    Effect(
                        kind="permission",
                        subject=d.path,
                        before=access(d.now),
                        after=access(d.good),
                    )
                    for d in lost
                ),
                Effect(kind="unit", subject=part.unit, before="any", after="running"),
            ),
            risk="low",
            files={d.path: d.good.sha256 for d in lost if d.good.kind == "file"},
        )

    def contents(self, context: Context, host: Observer) -> Mapping[str, bytes]:  # noqa: ARG002
        """None: contents do not change."""
        return {}


REMEDY = RestoreAccess()
