"""Restart a service that takes more and more memory."""

from collections.abc import Mapping

from autoloop.core.effect import Effect
from autoloop.core.putting_back import restarts
from autoloop.core.remedy import Context, Proposal, Refusal
from autoloop.core.target import Observer
from autoloop.core.words import Words


class RecycleService:
    """Gives the memory back and leaves the limits as they are. It does not mend the leak: when it
    comes back too often, the error budget has a person asked."""

    name = "recycle_service"
    cures = frozenset({"SERVICE.memory_leak"})
    rank = 10
    words = Words(
        en="Restart the service, so that it gives its memory back.", zh="重启服务以释放内存。"
    )

    def propose(self, context: Context, host: Observer) -> Proposal | Refusal:  # noqa: ARG002
        """Needs a service that its manager knows."""
        part = context.component
        own = context.facts.of(part)
        state = own.service
        if state.activity in ("missing", "unknown"):
            why = Words(
                en=f"{part.unit} is {state.activity}", zh=f"{part.unit} 状态为 {state.activity}"
            )
            return Refusal(remedy=self.name, why=why)
        used = f"{own.memory.bytes / 1e6:.0f} MB" if own.memory else ""
        why = Words(
            en=f"{part.unit} uses {used}, more than it may",
            zh=f"{part.unit} 占用内存 {used}，超过允许值",
        )
        if state.activity != "running" or not used:
            why = Words(
                en=f"{part.unit} was ended by the kernel, as memory was short",
                zh=f"{part.unit} 因内存不足被内核终止",
            )
        return Proposal(
            remedy=self.name,
            why=why,
            actions=restarts([part]),
            effects=(
                Effect(kind="unit", subject=part.unit, before=state.activity, after="running"),
            ),
            risk="low",
        )

    def contents(self, context: Context, host: Observer) -> Mapping[str, bytes]:  # noqa: ARG002
        """None: commands are run."""
        return {}


REMEDY = RecycleService()
