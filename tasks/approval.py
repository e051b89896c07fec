"""Approval of deployments: what a person decides before anything is changed."""

from prefect.artifacts import create_markdown_artifact

from autoloop.core.deployment import Comparison, approval_for, plan_text
from autoloop.core.errors import NotAllowed
from autoloop.core.redact import redact
from autoloop.core.words import Frozen, Words
from autoloop.core.work import Work
from tasks.step import step
from tasks.target import spec_of


class Asked(Frozen):
    """Why a person is asked; None: nobody is."""

    why: Words | None = None


@step()
def ask_person(work: Work, comparison: Comparison, waits: bool) -> Asked:
    """Say whether somebody must approve it; if so, show what.

    Raises:
        NotAllowed: nobody may approve it, or nobody can be waited for.
    """
    why = approval_for(spec_of(work), comparison)
    if why is None:
        return Asked()
    if not waits:
        what = f"{why.en}; without a running platform nobody can approve"
        raise NotAllowed(f"deployment {work.id}", what, "autoloop up, and deploy again")
    text = f"{plan_text(comparison)}\n{why.en}: `autoloop approve {work.id}`\n\n{why.zh}\n"
    create_markdown_artifact(text, key=f"plan-{work.id}", description=work.app)
    return Asked(why=why)


@step()
def note_decision(work: Work, comparison: Comparison, approved: bool, said: str) -> Comparison:
    """Go on with exactly what was approved: the target refuses it where it has changed since.

    Raises:
        NotAllowed: it was rejected.
    """
    if not approved:
        what = f"was rejected {redact(said)}"
        raise NotAllowed(f"deployment {work.id}", what, "nothing was changed")
    return comparison
