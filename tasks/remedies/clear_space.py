"""Remove old files that the application's people said may go, until there is room again."""

from collections.abc import Mapping

from autoloop.core.app import RISKS, SQLITE_ENDS, Risk, Space
from autoloop.core.effect import Effect
from autoloop.core.facts import Disk
from autoloop.core.remedy import Context, PlannedAction, Proposal, Refusal
from autoloop.core.suspicions.disk import floor_of, inode_floor_of, is_full, megabytes
from autoloop.core.suspicions.seen import in_code
from autoloop.core.target import Observer, Read, RemoveFiles, SeenFile
from autoloop.core.words import Words

TIMES = 5
"""So many times as much as "full" must be free afterwards."""

DAY_S = 86400


class ClearSpace:
    """Only what `[[space]]` declares, the least risky and oldest first, and no more than needed."""

    name = "clear_space"
    cures = frozenset({"SERVICE.disk_full"})
    rank = 10
    words = Words(
        en="Remove old files that may go by the declared rules, until there is room again.",
        zh="按声明的规则删除旧文件，直到恢复足够的可用空间。",
    )

    def propose(self, context: Context, host: Observer) -> Proposal | Refusal:
        """Needs rules that give enough; else a person is told what takes the room."""
        place, health = context.cause.culprit, context.spec.health
        disk = next((d for d in context.facts.disks if d.place == place), None)
        if disk is None or not is_full(disk, health):
            why = Words(en="no file system is full", zh="没有文件系统已满")
            return Refusal(remedy=self.name, why=why)
        found = self._removable(context, disk, host)
        need = TIMES * floor_of(disk, health) - disk.free
        need_files = TIMES * inode_floor_of(disk, health) - disk.inodes_free
        chosen: list[tuple[Space, SeenFile]] = []
        for rule, file in found:
            if need <= 0 and need_files <= 0:
                break
            chosen.append((rule, file))
            need, need_files = need - file.bytes, need_files - 1
        if need > 0 or need_files > 0:
            return self._not_enough(disk, sum(f.bytes for _, f in found), host)
        return self._offer(disk, chosen)

    def _removable(
        self, context: Context, disk: Disk, host: Observer
    ) -> list[tuple[Space, SeenFile]]:
        """Each file once, with the rule by which it may go, in the order in which they go."""
        spec = context.spec
        rules = sorted(spec.space, key=lambda rule: RISKS.index(rule.risk))
        asked = [
            {"glob": r.glob, "keep": r.keep, "older_s": r.older_than_days * DAY_S} for r in rules
        ]
        sqlite = [f"{path}{end}" for path in spec.data.sqlite for end in SQLITE_ENDS]
        logs = [path for part in spec.components for path in part.logs]
        args = {"place": disk.place, "rules": asked, "protect": [*spec.watched(), *sqlite, *logs]}
        answer = host.observe([Read(op="removable", args=args)], deadline_s=60)[0]
        found: dict[str, tuple[Space, SeenFile]] = {}
        for rule, rows in zip(rules, answer.value if answer.ok else [], strict=False):
            for row in rows:
                file = SeenFile.model_validate(row)
                if not in_code(spec, file.path):
                    found.setdefault(file.path, (rule, file))
        return sorted(found.values(), key=lambda r: (RISKS.index(r[0].risk), r[1].mtime_ns))

    def _offer(self, disk: Disk, chosen: list[tuple[Space, SeenFile]]) -> Proposal:
        files = tuple(file for _, file in chosen)
        what = ", ".join(dict.fromkeys(rule.what for rule, _ in chosen))
        size = megabytes(sum(file.bytes for file in files))
        risk: Risk = max((rule.risk for rule, _ in chosen), key=RISKS.index)
        return Proposal(
            remedy=self.name,
            why=Words(
                en=f"{disk.place} is full; {len(files)} files that may go ({what}) take {size}",
                zh=f"{disk.place} 已满；允许删除的文件（{what}）中有 {len(files)} 个，占用 {size}",
            ),
            actions=(PlannedAction(action=RemoveFiles(files=files)),),
            effects=tuple(
                Effect(kind="file", subject=file.path, before=f"{file.size} bytes", after=None)
                for file in files
            ),
            risk=risk,
            reversible=False,
            backup=False,
        )

    def _not_enough(self, disk: Disk, allowed: int, host: Observer) -> Refusal:
        args = {"place": disk.place}
        answer = host.observe([Read(op="biggest", args=args)], deadline_s=30)[0]
        rows = answer.value if answer.ok else []
        named = ", ".join(f"{row['path']} ({megabytes(row['bytes'])})" for row in rows[:5])
        why = Words(
            en=f"{disk.place} is full; the declared [[space]] rules would free"
            f" {megabytes(allowed)}, which is not enough; its biggest files:"
            f" {named or 'none found'}",
            zh=f"{disk.place} 已满；按声明的 [[space]] 规则只能释放 {megabytes(allowed)}，不够；"
            f"占用最大的文件：{named or '未找到'}",
        )
        return Refusal(remedy=self.name, why=why, person=True)

    def contents(self, context: Context, host: Observer) -> Mapping[str, bytes]:  # noqa: ARG002
        """None: files are only removed."""
        return {}


REMEDY = ClearSpace()
