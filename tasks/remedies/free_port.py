"""End a stray process that holds the port of a service, and start the service."""

from collections.abc import Mapping

from autoloop.core.effect import Effect
from autoloop.core.facts import Holder
from autoloop.core.remedy import Context, PlannedAction, Proposal, Refusal
from autoloop.core.target import Observer, StopProcess
from autoloop.core.words import Words


class FreePort:
    """Only for a process that no service manager answers for; anything else is a person's call."""

    name = "free_port"
    cures = frozenset({"SERVICE.port_blocked"})
    rank = 10
    words = Words(
        en="End the stray process on the service's port and start the service.",
        zh="结束占用服务端口的游离进程，然后启动服务。",
    )

    def propose(self, context: Context, host: Observer) -> Proposal | Refusal:  # noqa: ARG002
        """Refuse when the holder belongs to a unit: somebody wants it there."""
        part, facts = context.component, context.facts
        strangers = [h for h in facts.on_port(part.port) if h.pid and not facts.belongs(h, part)]
        owned = next((h for h in strangers if h.unit), None)
        if owned or not strangers:
            return self._refuse(part.port, owned)
        manager = part.service()
        pids = {h.pid: h for h in strangers}
        stops = [
            PlannedAction(action=StopProcess(pid=h.pid, started=h.started)) for h in pids.values()
        ]
        clear = manager.clear(part.unit)
        start = PlannedAction(action=manager.start(part.unit), inverse=manager.stop(part.unit))
        state = facts.of(part).service
        return Proposal(
            remedy=self.name,
            why=Words(
                en=f"port {part.port} is held by a process of no service: {strangers[0].command}",
                zh=f"端口 {part.port} 被不属于任何服务的进程占用：{strangers[0].command}",
            ),
            actions=(*stops, *([PlannedAction(action=clear)] if clear else []), start),
            effects=(
                *(
                    Effect(
                        kind="process",
                        subject=h.command or str(h.pid),
                        before="running",
                        after=None,
                    )
                    for h in pids.values()
                ),
                Effect(kind="listener", subject=str(part.port), before="stray", after=part.unit),
                Effect(kind="unit", subject=part.unit, before=state.activity, after="running"),
            ),
            risk="medium",
            reversible=False,
        )

    def _refuse(self, port: int | None, owned: Holder | None) -> Refusal:
        if owned is None:
            why = Words(en=f"no stray process holds port {port}", zh=f"没有游离进程占用端口 {port}")
            return Refusal(remedy=self.name, why=why)
        why = Words(
            en=f"port {port} belongs to {owned.unit} (process {owned.pid}); decide which of the two"
            f" shall have it, then stop the other: systemctl stop {owned.unit}",
            zh=f"端口 {port} 属于 {owned.unit}（进程 {owned.pid}）；请决定端口归谁，"
            f"再停止另一个：systemctl stop {owned.unit}",
        )
        return Refusal(remedy=self.name, why=why, person=True)

    def contents(self, context: Context, host: Observer) -> Mapping[str, bytes]:  # noqa: ARG002
        """None: a process is ended, commands are run."""
        return {}


REMEDY = FreePort()
