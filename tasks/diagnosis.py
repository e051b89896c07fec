"""Diagnosis: look at the host, more than once before anything is called broken."""

from autoloop.core.diagnose import informed, told_by
from autoloop.core.diagnosis import Diagnosis
from autoloop.core.experience import experienced
from autoloop.core.incident import Incident
from autoloop.core.sight import sight_of
from autoloop.core.work import Work
from autoloop.ledger.memories import Memories
from tasks.look import Look, keep_look, look_at, look_often
from tasks.step import step
from tasks.target import ledger, session_of, spec_of


@step(retries=3)
def diagnose_target(work: Work) -> Diagnosis:
    """Look until the same thing was seen often enough, or all is well.

    A trouble that goes away while it is looked at is none: the last look decides. What came of
    earlier repairs, and before it what was said of the trouble, ranks what is found. What was seen
    is kept with the incident.
    """
    incident, memories = ledger().incident(work.id), Memories(ledger())
    look = _look(work, incident)
    keep_look(work, look)
    seen = sight_of(spec_of(work), look.facts, look.cases, look.at)
    memories.keep_sight(work.id, work.app, seen)
    found = experienced(look.diagnosis, memories.outcomes(work.app))
    found = informed(found, told_by(incident))
    ledger().note(work.id, f"diagnosis: {found.top.name} {found.top.culprit}")
    return found


def _look(work: Work, incident: Incident) -> Look:
    """Once, if that agrees with what the health check has just seen as often as it had to."""
    if incident.source == "health":
        look = look_at(spec_of(work), session_of(work), "at once")
        if not look.well and f" {look.diagnosis.top.name} " in incident.text:
            return look
    return look_often(spec_of(work), session_of(work))
