"""What diagnoses were made from, and what came of repairs. Every method is one transaction."""

from dataclasses import dataclass

from sqlalchemy import Tuple, delete, func, literal, select, tuple_
from sqlalchemy.orm import Session as Connection

from autoloop.core.diagnosis import Diagnosis
from autoloop.core.errors import NotFound
from autoloop.core.experience import Outcome
from autoloop.core.incident import Incident
from autoloop.core.sight import Sight
from autoloop.ledger.models import IncidentRow, OutcomeRow, SightRow
from autoloop.ledger.store import Ledger, now

SIGHTS = 200
"""So many are kept of an application, the newest."""

OUTCOMES = 200
"""So many of an application count, the newest: what was so long ago is so no more."""


PAST = 1000
"""So many incidents are read again at most."""


@dataclass(frozen=True)
class Past:
    """An incident, and the diagnosis that was made then."""

    incident: Incident
    diagnosis: Diagnosis


class Memories:
    """The memories of all applications."""

    def __init__(self, ledger: Ledger) -> None:
        self._engine = ledger.engine

    def keep_sight(self, incident: str, app: str, sight: Sight) -> None:
        """Keep what the newest diagnosis of *incident* was made from; forget the oldest of *app*.
        One that is too large to be kept is left out."""
        body = sight.kept()
        with Connection(self._engine) as session, session.begin():
            if body is None:
                return
            session.merge(SightRow(incident=incident, app=app, at=now(), body=body))
            session.flush()
            mine = select(SightRow.incident).where(SightRow.app == app)
            newest = session.scalars(mine.order_by(SightRow.at.desc()).limit(SIGHTS)).all()
            old = SightRow.incident.not_in(newest)
            session.execute(delete(SightRow).where(SightRow.app == app, old))

    def learn(self, app: str, attempt: int, outcome: Outcome) -> None:
        """Write down what came of an attempt; a second time changes nothing."""
        row = OutcomeRow(app=app, attempt=attempt, at=now(), **outcome.model_dump())
        with Connection(self._engine) as session, session.begin():
            session.merge(row)

    def outcomes(self, app: str) -> tuple[Outcome, ...]:
        """What came of the newest repairs of *app*."""
        newest = select(OutcomeRow).where(OutcomeRow.app == app).order_by(OutcomeRow.at.desc())
        with Connection(self._engine) as session, session.begin():
            return tuple(map(_outcome, session.scalars(newest.limit(OUTCOMES))))

    def past(
        self, app: str = "", since: str = "", before: str = "", limit: int = PAST
    ) -> tuple[Past, ...]:
        """The newest incidents with a diagnosis, the oldest first: opened at *since* or later, and
        before the incident *before* was.

        Raises:
            NotFound: there is no incident *before*.
        """
        place = tuple_(IncidentRow.opened, IncidentRow.id)
        diagnosed = func.json_type(IncidentRow.diagnosis) == "object"
        query = select(IncidentRow).where(IncidentRow.opened >= since, diagnosed)
        query = query.where(IncidentRow.app == app) if app else query
        query = query.order_by(IncidentRow.opened.desc(), IncidentRow.id.desc()).limit(limit)
        with Connection(self._engine) as session, session.begin():
            if before:
                query = query.where(place < _place_of(session, before))
            return tuple(reversed([_past(row) for row in session.scalars(query)]))

    def sight(self, incident: str) -> Sight | None:
        """What was seen for *incident*, if it is kept."""
        with Connection(self._engine) as session, session.begin():
            row = session.get(SightRow, incident)
            return Sight.model_validate(row.body) if row else None


def _outcome(row: OutcomeRow) -> Outcome:
    return Outcome(incident=row.incident, cause=row.cause, probe=row.probe, cured=row.cured)


def _place_of(session: Connection, incident: str) -> Tuple:
    row = session.get(IncidentRow, incident)
    if row is None:
        raise NotFound(f"incident '{incident[:64]}'", "does not exist", "autoloop incidents")
    return tuple_(literal(row.opened), literal(row.id))


def _past(row: IncidentRow) -> Past:
    incident = Incident.model_validate({**row.body, "state": row.state})
    return Past(incident=incident, diagnosis=Diagnosis.model_validate(row.diagnosis))
