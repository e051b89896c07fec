"""The road that every deployment takes: back up, place, prove, keep or put back, tell."""

from autoloop.core.deployment import Comparison, Deployment, refuse_broken
from autoloop.core.errors import AutoloopError
from autoloop.core.work import Work
from tasks.backup import take_backup
from tasks.deployment import abandon, place, prove_deployment, settle_deployment
from tasks.mail import tell_of_abandoned, tell_of_deployment
from tasks.target import writing


def bring(work: Work, comparison: Comparison, reason: str) -> Deployment:
    """Put in place what *comparison* says, or have everything as it was before.

    Raises:
        RuleBroken: nothing was begun.
        AutoloopError: it could not be ended; people are told what is so on the host.
    """
    refuse_broken(comparison)
    try:
        with writing(work):
            backup = take_backup(work, reason)
            placed = place(work, comparison, backup)
            proof = prove_deployment(work, comparison, placed)
            ended = settle_deployment(work, comparison, placed, proof, backup)
    except AutoloopError as error:
        left = abandon(work, comparison, str(error))
        tell_of_abandoned(work, comparison, left)
        raise
    tell_of_deployment(work, ended)
    return ended
