"""A plan: which remedies will be tried, in which order and why, and which will not."""

from collections.abc import Iterable

from autoloop.core.app import RISKS, AppSpec, Risk
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
    """Order the offers as they came, by the environment's limits.

    What may be done without a person goes first; where there is nothing of that kind, what a person
    may approve is the plan, and waits. Anything above that is rejected.
    """
    free: list[Proposal] = []
    approvable: list[Proposal] = []
    rejected: list[Refusal] = []
    for offer in offers:
        if isinstance(offer, Refusal):
            rejected.append(offer)
        elif within(offer, spec.limits.risk):
            free.append(offer)
        elif within(offer, spec.limits.approve):
            approvable.append(offer)
        else:
            rejected.append(_too_risky(offer, spec, spec.limits.approve))
    waits = bool(approvable) and not free
    if not waits:
        rejected += [_too_risky(offer, spec, spec.limits.risk) for offer in approvable]
    proposals = approvable if waits else free
    body = "".join(p.model_dump_json() for p in proposals)
    return Plan(
        incident=incident,
        proposals=tuple(proposals),
        rejected=tuple(rejected),
        backup=any(p.backup for p in proposals),
        approval=_too_risky(proposals[0], spec, spec.limits.risk).why if waits else None,
        hash=digest(incident, body),
    )


def without_approval(plan: Plan) -> Plan:
    """The plan when nobody can be waited for, or somebody said no: nothing of it is done."""
    if plan.approval is None:
        return plan
    refused = tuple(
        Refusal(remedy=p.remedy, why=plan.approval, person=True) for p in plan.proposals
    )
    return plan.model_copy(
        update={"proposals": (), "rejected": (*plan.rejected, *refused), "approval": None}
    )


def same_work(one: Plan, other: Plan) -> bool:
    """Whether both would do the same: remedies, actions and risks count, words do not."""

    def work(plan: Plan) -> list[str]:
        return [p.model_dump_json(include={"remedy", "actions", "risk"}) for p in plan.proposals]

    return work(one) == work(other)


def within(offer: Proposal, limit: Risk) -> bool:
    """Whether *offer* is no riskier than *limit*."""
    return RISKS.index(offer.risk) <= RISKS.index(limit)


def _too_risky(offer: Proposal, spec: AppSpec, limit: Risk) -> Refusal:
    en = f"its risk is {offer.risk}; {spec.environment} allows {limit} without a person"
    zh = f"风险为 {offer.risk}；环境 {spec.environment} 无人批准时最多允许 {limit}"
    if limit == spec.limits.approve and limit != spec.limits.risk:
        en = f"its risk is {offer.risk}; in {spec.environment} nobody may approve more than {limit}"
        zh = f"风险为 {offer.risk}；环境 {spec.environment} 最多只能批准 {limit}"
    return Refusal(remedy=offer.remedy, why=Words(en=en, zh=zh), person=True)
