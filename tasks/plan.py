"""Plans: every remedy that says it cures the cause is asked, in order."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from autoloop.core.app import AppSpec
from autoloop.core.diagnosis import Cause, Diagnosis
from autoloop.core.errors import Drifted
from autoloop.core.incident import State
from autoloop.core.plan import Plan, make_plan, same_work, within, without_approval
from autoloop.core.remedy import Context, Proposal, Refusal
from autoloop.core.words import Words
from autoloop.core.work import Work
from tasks.look import last_look
from tasks.remedies import for_cause
from tasks.step import step
from tasks.target import ledger, session_of, spec_of


@step()
def choose_remedies(work: Work, diagnosis: Diagnosis) -> Plan:
    """Ask the remedies of the most likely cause; write the plan down."""
    plan = _planned(work, diagnosis)
    chosen = ", ".join(p.remedy for p in plan.proposals)
    dump = {"diagnosis": diagnosis.model_dump(mode="json"), "plan": plan.model_dump(mode="json")}
    if diagnosis.benign:
        ledger().move(work.id, State.IGNORED, "nothing is wrong on the host", **dump)
    elif plan.empty:
        ledger().move(work.id, State.ASKED, "no remedy may be used without a person", **dump)
    else:
        ledger().move(work.id, State.PLANNED, f"plan {plan.hash}: {chosen}", **dump)
    return plan


@step()
def wait_for_approval(work: Work, plan: Plan, waits: bool) -> Work:
    """Say in the ledger that a person decides now; or, where nobody can be waited for, ask one."""
    why = plan.approval.en if plan.approval else ""
    if waits:
        how = f"autoloop approve {work.id}"
        ledger().move(work.id, State.AWAITING_APPROVAL, f"{why}: {how}")
    else:
        ledger().move(work.id, State.ASKED, f"{why}; without a running platform nobody can approve")
    return work


@step()
def take_decision(work: Work, diagnosis: Diagnosis, plan: Plan, here: Mapping[str, Any]) -> Plan:
    """What was decided. Approved is exactly this plan: what has changed since voids it.

    A decision in the ledger counts; without one, what was said where the run was resumed, *here*:
    ``approved``, ``actor``, ``reason``.

    Raises:
        Drifted: the same diagnosis would now lead to another plan.
    """
    record = ledger().record(work.id)
    decision = record["decision"] or here
    said = f"by {decision['actor']}" + (f": {decision['reason']}" if decision["reason"] else "")
    if not decision["approved"]:
        ledger().move(work.id, State.ASKED, f"rejected {said}")
        return without_approval(plan)
    if not same_work(plan, _planned(work, diagnosis)):
        what = f"was approved {said}, but the host has changed: another one would be made now"
        raise Drifted(f"plan {plan.hash}", what, "report it again")
    ledger().note(work.id, f"plan {plan.hash} is approved {said}")
    return plan


def _planned(work: Work, diagnosis: Diagnosis) -> Plan:
    spec, host = spec_of(work), session_of(work)
    offers: list[Proposal | Refusal] = []
    worn_out = _worn_out(spec, diagnosis)
    if worn_out is not None:
        offers.append(worn_out)
    elif not diagnosis.benign and diagnosis.top.component:
        facts = last_look(work, spec, host).facts
        for cause in diagnosis.causes:
            context = Context(spec=spec, facts=facts, cause=cause)
            asked = [_for(cause, r.propose(context, host)) for r in for_cause(cause.name)]
            offers += [offer for offer in asked if not _same_again(offer, offers)]
            if _enough(spec, diagnosis, asked):
                break
    return make_plan(spec, work.id, offers)


def _for(cause: Cause, offer: Proposal | Refusal) -> Proposal | Refusal:
    """A proposal with the cause that it was asked about."""
    if isinstance(offer, Refusal):
        return offer
    return offer.model_copy(update={"cause": cause.name})


def _enough(spec: AppSpec, diagnosis: Diagnosis, asked: list[Proposal | Refusal]) -> bool:
    """Whether causes that are less deep need not be asked: there is a remedy, or a person is
    needed. In an emergency they are, after remedies that may be used at once: service first."""
    if any(isinstance(offer, Refusal) and offer.person for offer in asked):
        return True
    proposals = [offer for offer in asked if isinstance(offer, Proposal)]
    if diagnosis.severity != "P0":
        return bool(proposals)
    return not all(within(offer, spec.limits.risk) for offer in proposals)


def _same_again(offer: Proposal | Refusal, offers: list[Proposal | Refusal]) -> bool:
    """Whether this remedy has proposed these actions for a deeper cause already."""
    return isinstance(offer, Proposal) and any(
        isinstance(other, Proposal) and other.actions == offer.actions for other in offers
    )


def _worn_out(spec: AppSpec, diagnosis: Diagnosis) -> Refusal | None:
    """The error budget: what keeps coming back after a repair is not repaired."""
    since = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    count = ledger().repeats(spec.name, diagnosis.top.name, since)
    if count < spec.limits.failures:
        return None
    why = Words(
        en=f"{diagnosis.top.name} came back {count} times within an hour after it was repaired",
        zh=f"{diagnosis.top.name} 在一小时内修复后又出现了 {count} 次",
    )
    return Refusal(remedy="any", why=why, person=True)
