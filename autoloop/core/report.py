"""The report of an incident: everything that is told of it. `autoloop.core.telling` tells it."""

from datetime import datetime

from autoloop.core.diagnosis import Diagnosis
from autoloop.core.difference import Change
from autoloop.core.incident import Incident, State, Transition
from autoloop.core.outage import Outage
from autoloop.core.plan import Plan
from autoloop.core.proof import Proof
from autoloop.core.runbook import Command
from autoloop.core.words import Frozen, Words


class Settled(Frozen):
    """How one attempt ended: kept, or put back."""

    remedy: str
    proof: Proof
    kept: bool
    why: str = ""
    backup: str = ""


class Report(Frozen):
    """Everything that is told of one incident.

    *look*, *decide* and *undo* are commands for people, *changes* what became of files, *unseen*
    what was not looked at when nothing was found.
    """

    incident: Incident
    diagnosis: Diagnosis
    plan: Plan
    attempts: tuple[Settled, ...] = ()
    timeline: tuple[Transition, ...] = ()
    changes: tuple[Change, ...] = ()
    look: tuple[Command, ...] = ()
    decide: tuple[Command, ...] = ()
    undo: tuple[Command, ...] = ()
    unseen: Words | None = None
    outage: Outage | None = None

    @property
    def repaired(self) -> bool:
        """Whether a remedy was proved and kept."""
        return any(attempt.kept for attempt in self.attempts)

    @property
    def ending(self) -> str:
        """How it ended: a key of `TITLES`."""
        if self.repaired:
            return "repaired"
        if self.diagnosis.benign:
            return "ordinary"
        if self.incident.state == State.AWAITING_APPROVAL:
            return "waits"
        return "recovered" if self.incident.state == State.CLOSED else "asked"

    @property
    def for_people(self) -> bool:
        """Whether somebody has to do something."""
        return self.ending in ("asked", "waits")

    @property
    def seconds_to_detect(self) -> float | None:
        """From the first request that failed to the first word of it; None where no log tells."""
        traffic = self.diagnosis.impact.traffic
        began = traffic.since if traffic else ""
        if not began or not self.incident.first_seen:
            return None
        seconds = (
            datetime.fromisoformat(self.incident.first_seen) - datetime.fromisoformat(began)
        ).total_seconds()
        return round(seconds, 3) if seconds >= 0 else None

    @property
    def seconds_to_recover(self) -> float | None:
        """From the first word of it to the first passed proof, in seconds."""
        proved = next((a.proof.at for a in self.attempts if a.kept), None)
        if proved is None or not self.incident.first_seen:
            return None
        return round(proved - datetime.fromisoformat(self.incident.first_seen).timestamp(), 3)
