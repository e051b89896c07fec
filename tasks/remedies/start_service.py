"""Start a service that is down and has no deeper cause."""

from collections.abc import Mapping

from autoloop.core.effect import Effect
from autoloop.core.remedy import Context, PlannedAction, Proposal, Refusal
from autoloop.core.target import Observer
from autoloop.core.words import Words


class StartService:
    """Clears the manager's "gave up" mark where there is one, and starts the unit."""

    name = "start_service"
    cures = frozenset({"SERVICE.service_down", "SERVICE.crash_loop"})
    rank = 10
    words = Words(en="Start the service again.", zh="重新启动服务。")

    def propose(self, context: Context, host: Observer) -> Proposal | Refusal:  # noqa: ARG002
        """Start it, unless its manager does not know it."""
        part = context.component
        state = context.facts.of(part).service
        if state.activity == "missing":
            why = Words(en=f"{part.unit} does not exist on the host", zh=f"主机上没有 {part.unit}")
            return Refusal(remedy=self.name, why=why, person=True)
        manager = part.service()
        clear = manager.clear(part.unit) if state.activity == "failed" else None
        start = PlannedAction(action=manager.start(part.unit), inverse=manager.stop(part.unit))
        return Proposal(
            remedy=self.name,
            why=Words(
                en=f"{part.unit} is {state.activity}; nothing deeper was found",
                zh=f"{part.unit} 状态为 {state.activity}，未发现更深的原因",
            ),
            actions=(*([PlannedAction(action=clear)] if clear else []), start),
            effects=(
                Effect(kind="unit", subject=part.unit, before=state.activity, after="running"),
            ),
            risk="low",
        )

    def contents(self, context: Context, host: Observer) -> Mapping[str, bytes]:  # noqa: ARG002
        """None: only commands are run."""
        return {}


REMEDY = StartService()
