"""Repairs: applied, proved, and kept or put back."""

import time

from autoloop.core.diagnosis import Diagnosis, unknown
from autoloop.core.errors import AutoloopError, OperationFailed
from autoloop.core.experience import outcome_of
from autoloop.core.incident import State
from autoloop.core.plan import Plan
from autoloop.core.proof import Check, Proof, proof_of
from autoloop.core.remedy import Context, Proposal
from autoloop.core.report import Settled
from autoloop.core.salvage import told_of
from autoloop.core.target import (
    Action,
    ChangeFiles,
    Read,
    RunCommand,
    RunGuarded,
    SalvageDatabase,
)
from autoloop.core.words import Frozen
from autoloop.core.work import Work
from autoloop.ledger.memories import Memories
from tasks.backup import Backup, backup_action
from tasks.look import look_at, look_until_well
from tasks.remedies import library
from tasks.step import step
from tasks.target import ledger, session_of, spec_of, writing


class Applied(Frozen):
    """The actions of a proposal, carried out; or the first that would not."""

    remedy: str
    operations: tuple[str, ...]
    failed: str = ""


@step(timeout_s=4000)
def apply_remedy(work: Work, diagnosis: Diagnosis, plan: Plan, backup: Backup) -> Applied:
    """Carry out the actions of this attempt's proposal, each once."""
    proposal, session = plan.proposals[work.attempt - 1], session_of(work)
    ledger().move(
        work.id, State.REPAIRING, f"{proposal.remedy}, backup {backup.id or 'not needed'}"
    )
    _send_contents(work, diagnosis, proposal)
    operations: list[str] = []
    for number, planned in enumerate(proposal.actions):
        op = work.op(str(number))
        operations.append(op)
        try:
            done = session.do(op, planned.action, patience(planned.action))
        except OperationFailed as error:
            return Applied(remedy=proposal.remedy, operations=tuple(operations), failed=str(error))
        if done.outcome == "failed":
            said = str(done.value.get("err") or done.value)[-300:]
            failed = f"action {number} failed: {said}"
            return Applied(remedy=proposal.remedy, operations=tuple(operations), failed=failed)
        if isinstance(planned.action, SalvageDatabase):
            ledger().note(work.id, told_of(done.value["tables"]).en)
    return Applied(remedy=proposal.remedy, operations=tuple(operations))


def patience(action: Action) -> float:
    """Seconds for which the target is waited for: a little longer than the action may take."""
    if isinstance(action, RunCommand):
        return action.timeout_s + 60
    if isinstance(action, RunGuarded):
        return sum(one.timeout_s for one in (*action.stop, *action.run)) + 180
    return 900 if isinstance(action, SalvageDatabase) else 120


def _send_contents(work: Work, diagnosis: Diagnosis, proposal: Proposal) -> None:
    """Send what the host's store lacks of it; most contents have been there since all was well."""
    session, spec = session_of(work), spec_of(work)
    wanted = [
        change.after.sha256
        for planned in proposal.actions
        if isinstance(planned.action, ChangeFiles)
        for change in planned.action.changes
        if change.after.kind == "file"
    ]
    asked = [
        Read(op="outcome", args={"op": work.op("0")}),
        Read(op="missing", args={"objects": wanted}),
    ]
    first, missing = session.observe(asked)
    if first.value["outcome"] != "not done" or not missing.value:
        return
    facts = look_at(spec, session).facts
    remedy = next(r for r in library() if r.name == proposal.remedy)
    for cause in diagnosis.causes:
        if cause.name in remedy.cures:
            context = Context(spec=spec, facts=facts, cause=cause)
            session.send(remedy.contents(context, session))


@step()
def prove_remedy(work: Work, diagnosis: Diagnosis, plan: Plan, applied: Applied) -> Proof:
    """Wait until it is cured, hold that for the window, and check what the remedy promised.

    Other trouble that was there before, such as an old certificate, is no failure of the remedy.
    """
    ledger().move(work.id, State.PROVING, applied.remedy)
    if applied.failed:
        return Proof(
            checks=(Check(name="apply", passed=False, why=applied.failed),), at=time.time()
        )
    spec, session = spec_of(work), session_of(work)
    proposal = plan.proposals[work.attempt - 1]
    cause = next(c for c in diagnosis.causes if c.component)
    look = look_until_well(spec, session, spec.health.ready_s, lambda seen: seen.rid_of(cause.name))
    at, end = time.time(), time.monotonic() + spec.health.hold_s
    while look.rid_of(cause.name) and time.monotonic() < end:
        time.sleep(min(1.0, spec.health.hold_s / 3))
        look = look_at(spec, session)
    answers = session.observe([Read(op="stat", args={"path": p}) for p in proposal.files])
    files = dict(zip(proposal.files, answers, strict=True))
    checks = proof_of(spec, proposal, cause, look.diagnosis, look.cases, files)
    return Proof(checks=checks, held_s=spec.health.hold_s, at=at)


@step()
def settle(work: Work, plan: Plan, applied: Applied, proof: Proof, backup: Backup) -> Settled:
    """Keep what was proved and remember it as good; put back what was not, and check that too."""
    session, spec = session_of(work), spec_of(work)
    kept = Settled(remedy=applied.remedy, proof=proof, kept=proof.holds, backup=backup.id)
    if proof.holds:
        for op in applied.operations:
            if (done := session.commit(op)).outcome in ("reverted", "half"):
                what = f"was proved, but is '{done.outcome}' on the host"
                raise OperationFailed(f"operation {op}", what, "look at the host")
        if plan.proposals[work.attempt - 1].backup:
            good = backup_action(spec, f"{work.id}: proved", good=True)
            session.do(work.op("good"), good)
        _learn(work, plan, proof)
        ledger().move(work.id, State.CLOSED, f"{applied.remedy} is proved",
                      outcome=kept.model_dump(mode="json"))  # fmt: skip
        return kept
    _undo(work, plan, applied)
    _learn(work, plan, proof)
    why = f"{applied.remedy} was put back: {proof.complaint}"
    ledger().move(work.id, State.ROLLED_BACK, why)
    return kept.model_copy(update={"why": proof.complaint})


def _learn(work: Work, plan: Plan, proof: Proof) -> None:
    """Write down whether the cause that was repaired was the cause."""
    diagnosis = Diagnosis.model_validate(ledger().record(work.id)["diagnosis"])
    outcome = outcome_of(work.id, diagnosis, plan, work.attempt, proof)
    if outcome is not None:
        Memories(ledger()).learn(work.app, work.attempt, outcome)


def _undo(work: Work, plan: Plan, applied: Applied) -> None:
    """Back, last action first. Files are checked by the target; services by their inverse."""
    session = session_of(work)
    actions = plan.proposals[work.attempt - 1].actions
    trouble: list[str] = []
    for op, planned in reversed(list(zip(applied.operations, actions, strict=False))):
        try:
            if session.outcome(op).outcome == "not done":
                continue
            if isinstance(planned.action, ChangeFiles | RunGuarded | SalvageDatabase):
                session.revert(op)
            elif planned.inverse is not None:
                session.do(f"{op}/undo", planned.inverse)
        except AutoloopError as error:
            trouble.append(str(error))
    if trouble:
        raise OperationFailed(f"undo of {applied.remedy}", "; ".join(trouble), "restore the backup")


@step()
def end_incident(work: Work, attempts: list[Settled], plan: Plan) -> Work:
    """Nothing more is tried. If there was a plan and nothing of it was kept, a person is asked."""
    if not any(attempt.kept for attempt in attempts) and not plan.empty:
        ledger().move(work.id, State.ASKED, "every remedy was tried and put back")
    return work


class GivenUp(Frozen):
    """What was known when a run could not go on."""

    diagnosis: Diagnosis
    plan: Plan


@step()
def give_up(work: Work, error: str) -> GivenUp:
    """Put back what is not proved, as far as the target lets us, and ask a person."""
    record = ledger().record(work.id)
    plan = Plan.model_validate(record["plan"] or {"incident": work.id})
    trouble = ""
    if record["state"] in (State.REPAIRING, State.PROVING):
        try:
            with writing(work):
                for number, proposal in reversed(list(enumerate(plan.proposals, 1))):
                    attempt = work.next(number)
                    ops = tuple(attempt.op(str(n)) for n in range(len(proposal.actions)))
                    _undo(attempt, plan, Applied(remedy=proposal.remedy, operations=ops))
        except AutoloopError as another:
            trouble = f"; putting back failed as well: {another}"
    ledger().move(work.id, State.ASKED, f"{error}{trouble}")
    diagnosis = record["diagnosis"] or unknown("run", error)
    return GivenUp(diagnosis=diagnosis, plan=plan)
