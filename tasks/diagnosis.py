"""Diagnosis: look at the host, more than once before anything is called broken."""

from autoloop.core.diagnose import informed, of_type
from autoloop.core.diagnosis import Cause, Diagnosis
from autoloop.core.reading import text_engine
from autoloop.core.work import Work
from tasks.look import Look, keep_look, look_at, look_often
from tasks.step import step
from tasks.target import ledger, session_of, spec_of


@step(retries=3)
def diagnose_target(work: Work) -> Diagnosis:
    """Look until the same thing was seen often enough, or all is well.

    A trouble that goes away while it is looked at is none: the last look decides. What was said
    of the trouble ranks what is found.
    """
    look = _look(work)
    keep_look(work, look)
    found = informed(look.diagnosis, _hypotheses(work))
    ledger().note(work.id, f"diagnosis: {found.top.name} {found.top.culprit}")
    return found


def _look(work: Work) -> Look:
    """Once, if that agrees with what the health check has just seen as often as it had to."""
    incident = ledger().incident(work.id)
    if incident.source == "health":
        look = look_at(spec_of(work), session_of(work), "at once")
        if not look.well and f" {look.diagnosis.top.name} " in incident.text:
            return look
    return look_often(spec_of(work), session_of(work))


def _hypotheses(work: Work) -> tuple[Cause, ...]:
    """What the text of the incident says; the platform's own words are no evidence."""
    incident = ledger().incident(work.id)
    if incident.source == "health":
        return ()
    told = incident.fields
    said = text_engine().read(incident.text)
    return of_type(said, told.get("type", ""), told)
