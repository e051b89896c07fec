"""Runs of the cases, kept: the newest, and the last good one. Every method is one transaction."""

from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session as Connection

from autoloop.ledger.models import TrialRow
from autoloop.ledger.store import Ledger


class Trials:
    """The runs of the cases of all applications."""

    def __init__(self, ledger: Ledger) -> None:
        self._engine = ledger.engine

    def last(self, app: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """The newest run of *app*, and the newest good one."""
        newest = _of(app).limit(1)
        with Connection(self._engine) as session, session.begin():
            one, good = session.scalar(newest), session.scalar(newest.where(TrialRow.good))
            return (one.body if one else None), (good.body if good else None)

    def save(self, app: str, body: dict[str, Any], good: bool, keep: int) -> None:
        """Keep a run, and of those of *app* the newest *keep* and the last good one."""
        with Connection(self._engine) as session, session.begin():
            session.add(TrialRow(app=app, good=good, body=body))
            session.flush()
            kept = {row.number for row in session.scalars(_of(app).limit(keep))}
            best = session.scalar(_of(app).where(TrialRow.good).limit(1))
            kept |= {best.number} if best else set()
            old = TrialRow.number.not_in(kept)
            session.execute(delete(TrialRow).where(TrialRow.app == app, old))


def _of(app: str) -> Select[tuple[TrialRow]]:
    return select(TrialRow).where(TrialRow.app == app).order_by(TrialRow.number.desc())
