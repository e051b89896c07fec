"""Restart a service that runs but does not answer."""

from collections.abc import Mapping

from autoloop.core.effect import Effect
from autoloop.core.remedy import Context, PlannedAction, Proposal, Refusal
from autoloop.core.target import Observer
from autoloop.core.words import Words


class RestartService:
    """Only for a service that runs: one that is down is started, after its cause is gone."""

    name = "restart_service"
    cures = frozenset({"SERVICE.timeout", "SERVICE.upstream_unreachable"})
    rank = 30
    words = Words(en="Restart the service that does not answer.", zh="重启无响应的服务。")

    def propose(self, context: Context, host: Observer) -> Proposal | Refusal:  # noqa: ARG002
        """Needs a service that runs."""
        part = context.component
        state = context.facts.of(part).service
        if state.activity != "running":
            why = Words(en=f"{part.unit} does not run", zh=f"{part.unit} 未在运行")
            return Refusal(remedy=self.name, why=why)
        return Proposal(
            remedy=self.name,
            why=Words(
                en=f"{part.unit} runs as process {state.pid} and does not answer",
                zh=f"{part.unit}（进程 {state.pid}）在运行但没有响应",
            ),
            actions=(
                PlannedAction(action=part.service().wake(part.unit)),
                PlannedAction(action=part.service().restart(part.unit)),
            ),
            effects=(Effect(kind="unit", subject=part.unit, before="running", after="running"),),
            risk="low",
        )

    def contents(self, context: Context, host: Observer) -> Mapping[str, bytes]:  # noqa: ARG002
        """None: a command is run."""
        return {}


REMEDY = RestartService()
