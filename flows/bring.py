"""The road that every deployment takes: approve, back up, place, prove, keep or put back, tell."""

from prefect import runtime
from prefect.flow_runs import suspend_flow_run

from autoloop.core.deployment import Comparison, Deployment, refuse_broken
from autoloop.core.errors import AutoloopError
from autoloop.core.work import Work
from flows.forms import Answer
from tasks.approval import ask_person, note_decision
from tasks.backup import take_backup
from tasks.deployment import abandon, place, prove_deployment, settle_deployment
from tasks.mail import tell_of_abandoned, tell_of_deployment
from tasks.target import writing

APPROVAL_S = 3600


def bring(work: Work, comparison: Comparison, reason: str) -> Deployment:
    """Put in place what *comparison* says, or have everything as it was before.

    Raises:
        RuleBroken: nothing was begun.
        NotAllowed: nobody has approved it.
        AutoloopError: it could not be ended; people are told what is so on the host.
    """
    refuse_broken(comparison)
    wanted = decided(work, comparison)
    try:
        with writing(work):
            backup = take_backup(work, reason)
            placed = place(work, wanted, backup)
            proof = prove_deployment(work, wanted, placed)
            ended = settle_deployment(work, wanted, placed, proof, backup)
    except AutoloopError as error:
        left = abandon(work, wanted, str(error))
        tell_of_abandoned(work, wanted, left)
        raise
    tell_of_deployment(work, ended)
    return ended


def decided(work: Work, comparison: Comparison) -> Comparison:
    """The same, once a person has approved it where one must. Until then the run is suspended: no
    process waits. Nobody deciding within an hour ends it."""
    asked = ask_person(work, comparison, bool(runtime.deployment.id))
    if asked.why is None:
        return comparison
    said = suspend_flow_run(Answer, timeout=APPROVAL_S, key="approval")
    by = f"by {said.actor}" + (f": {said.reason}" if said.reason else "")
    return note_decision(work, comparison, said.approved, by)
