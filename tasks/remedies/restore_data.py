"""Salvage a damaged SQLite database: what can be read, and for the rest the last good copy."""

from collections.abc import Mapping

from autoloop.core.app import AppSpec
from autoloop.core.effect import Effect
from autoloop.core.facts import Drift
from autoloop.core.putting_back import restart_commands, running_again
from autoloop.core.remedy import Context, PlannedAction, Proposal, Refusal
from autoloop.core.salvage import told_of
from autoloop.core.suspicions.data import lost_data
from autoloop.core.target import Observer, Read, SalvageDatabase
from autoloop.core.words import Words


class RestoreData:
    """No row that can be read is lost. What is, is counted, and then a person decides."""

    name = "restore_data"
    cures = frozenset({"DATABASE.data_corruption", "CONFIG.missing_file"})
    rank = 10
    words = Words(
        en="Salvage the damaged database, rows that cannot be read from the last good copy.",
        zh="抢救损坏的数据库；无法读取的行取自最近一次正常的副本。",
    )

    def propose(self, context: Context, host: Observer) -> Proposal | Refusal:
        """Rehearses the salvage on a copy, so that it is known what will be there."""
        path, spec = context.cause.culprit, context.spec
        if (lost := lost_data(spec, context.facts)) is not None:
            return self._ask_for(lost, spec)
        if path not in context.facts.damaged:
            why = Words(en="no database is damaged", zh="没有数据库损坏")
            return Refusal(remedy=self.name, why=why)
        args = {"app": spec.name, "path": path}
        answer = host.observe([Read(op="salvage", args=args)], deadline_s=240)[0]
        if not answer.ok:
            why = Words(
                en=f"{path}: {answer.error}; restore a backup: autoloop backups --app {spec.name}",
                zh=f"{path}：{answer.error}；请恢复备份：autoloop backups --app {spec.name}",
            )
            return Refusal(remedy=self.name, why=why, person=True)
        report, parts = answer.value, spec.affected((path,))
        told = told_of(report["tables"])
        mended = f"; its {report['mended']} comes from that copy" if report["mended"] else ""
        stops = [
            PlannedAction(
                action=part.service().stop(part.unit), inverse=part.service().start(part.unit)
            )
            for part in reversed(parts)
        ]
        starts = []
        for part in parts:
            manager = part.service()
            clear = manager.clear(part.unit)
            starts += [PlannedAction(action=clear)] if clear else []
            start, stop = manager.start(part.unit), manager.stop(part.unit)
            starts.append(PlannedAction(action=start, inverse=stop))
        salvage = SalvageDatabase(
            app=spec.name, path=path, complete=report["complete"], wake=restart_commands(parts)
        )
        return Proposal(
            remedy=self.name,
            why=Words(
                en=f"{path} is damaged; {told.en}{mended}",
                zh=f"{path} 已损坏；{told.zh}" + ("；其文件头取自该副本" if mended else ""),
            ),
            actions=(*stops, PlannedAction(action=salvage), *starts),
            effects=(
                Effect(kind="file", subject=path, before="damaged", detail={"after": "any"}),
                *(
                    Effect(
                        kind="rows",
                        subject=name,
                        before=f"{table['readable']} can be read",
                        after=f"{table['readable'] + table['from_backup']}",
                        detail={"from_backup": str(table["from_backup"])},
                    )
                    for name, table in sorted(report["tables"].items())
                    if table["damaged"]
                ),
                *map(running_again, parts),
            ),
            risk="medium" if report["complete"] else "high",
        )

    def _ask_for(self, lost: Drift, spec: AppSpec) -> Refusal:
        """What stood there may still be somewhere, and is newer than any backup: a person looks."""
        gone = lost.now.kind == "absent"
        way = f"autoloop rollback --app {spec.name} --to ID --with-data"
        listed = f"autoloop backups --app {spec.name}"
        what = "is gone" if gone else "was replaced by another, much emptier one"
        why = Words(
            en=f"{lost.path} {what}; look for the file first, it holds the newest rows; else go"
            f" back to a backup, without the rows that are newer: {listed}, then {way}",
            zh=f"{lost.path} {'已不存在' if gone else '已被另一个几乎为空的文件替换'}；"
            f"请先寻找原文件，其中有最新的数据；"
            f"否则恢复备份（之后的数据会丢失）：{listed}，然后 {way}",
        )
        return Refusal(remedy=self.name, why=why, person=True)

    def contents(self, context: Context, host: Observer) -> Mapping[str, bytes]:  # noqa: ARG002
        """None: the target has all of it."""
        return {}


REMEDY = RestoreData()
