"""A plan: which remedies will be tried, in which order and why, and which will not."""

from collections.abc import Iterable

from autoloop.core.app import RISKS, AppSpec
from autoloop.core.incident import digest
from autoloop.core.remedy import Proposal, Refusal
from autoloop.core.words import Frozen, Words


class Plan(Frozen):
    """Ordered proposals for one incident. *hash* changes with anything that matters in it."""

    incident: str
    proposals: tuple[Proposal, ...] = ()
    rejected: tuple[Refusal, ...] = ()
    backup: bool = True
    approval: Words | None = None
    expires_s: int = 3600
    hash: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing that may be done without a person."""
        return not self.proposals


def make_plan(spec: AppSpec, incident: str, offers: Iterable[Proposal | Refusal]) -> Plan:
    """Order the offers as they came; those above the environment's risk limit are rejected."""
    proposals: list[Proposal] = []
    rejected: list[Refusal] = []
    for offer in offers:
        if isinstance(offer, Refusal):
            rejected.append(offer)
        elif RISKS.index(offer.risk) > RISKS.index(spec.limits.risk):
            rejected.append(_too_risky(offer, spec))
        else:
            proposals.append(offer)
    body = "".join(p.model_dump_json() for p in proposals)
    return Plan(
        incident=incident,
        proposals=tuple(proposals),
        rejected=tuple(rejected),
        backup=bool(proposals),
        hash=digest(incident, body),
    )


def _too_risky(offer: Proposal, spec: AppSpec) -> Refusal:
    limit = spec.limits.risk
    en = f"its risk is {offer.risk}; {spec.environment} allows {limit} without a person"
    zh = f"风险为 {offer.risk}；环境 {spec.environment} 无人批准时最多允许 {limit}"
    return Refusal(remedy=offer.remedy, why=Words(en=en, zh=zh), person=True)
