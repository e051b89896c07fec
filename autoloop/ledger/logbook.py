"""What was found in logs, and how far they were read. Every method is one transaction."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

from pydantic import Field
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session as Connection

from autoloop.core.incident import ENDED, Request, State
from autoloop.core.storm import Rule, fate
from autoloop.core.words import Frozen
from autoloop.ledger.models import AppRow, FindingRow, IncidentRow, OffsetRow
from autoloop.ledger.store import Ledger, count_events, now

KEPT_DAYS = 90
MOST = 5_000
"""Findings of one owner that are kept; those not seen for longest go first."""

FORGET_S = 60.0
"""So often old findings are looked for."""

ASKED = 500
"""Fingerprints that are asked for in one query."""

TEXT = 4_000
"""Characters of a record that go into the text of an incident."""


class Kept(Frozen):
    """What became of findings: how often each fingerprint came in all, and the new incidents."""

    totals: dict[str, int] = Field(default_factory=dict)
    opened: tuple[str, ...] = ()


class Found(Protocol):
    """A finding, as `autoloop.logs.findings.Finding` has it."""

    @property
    def fingerprint(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def count(self) -> int: ...
    @property
    def source(self) -> str: ...
    @property
    def text(self) -> str: ...

    def model_dump(self, *, mode: Literal["json"]) -> dict[str, Any]:
        """Its fields as JSON."""
        ...


class Logbook:
    """The logs of a platform. *owner* is an application, or any other reader with its own places.

    What was found and how far was read are kept together or not at all: so a record is neither lost
    nor kept twice, wherever a reader is killed.
    """

    def __init__(self, ledger: Ledger, rule: Rule | None = None) -> None:
        self._ledger = ledger
        self._rule = rule or Rule()
        self._forgets = 0.0

    def states(self, owner: str) -> dict[str, dict[str, Any]]:
        """How far each log of *owner* was read, by its name."""
        with self._begin() as session, session.begin():
            rows = session.scalars(select(OffsetRow).where(OffsetRow.owner == owner))
            return {row.source: row.state for row in rows}

    def keep(
        self,
        owner: str,
        findings: Sequence[Found],
        states: Mapping[str, Mapping[str, Any]],
        hand_in: bool = True,
    ) -> Kept:
        """Keep findings and places.

        An incident is opened only for an *owner* that is an application under care, and only with
        *hand_in*; see `autoloop.core.storm`.
        """
        opened: list[str] = []
        totals: dict[str, int] = {}
        with self._begin() as session, session.begin():
            _remember(session, owner, states)
            rows = self._rows(session, owner, findings)
            for finding in findings:
                totals[finding.fingerprint] = _count(rows[finding.fingerprint], finding)
            if hand_in and findings and session.get(AppRow, owner) is not None:
                opened = self._hand_in(session, owner, [(rows[f.fingerprint], f) for f in findings])
            if findings and time.monotonic() > self._forgets:
                self._forgets = time.monotonic() + FORGET_S
                self._forget(session, owner)
        return Kept(totals=totals, opened=tuple(opened))

    def found(self, owner: str, limit: int = 200) -> list[dict[str, Any]]:
        """What was found in the logs of *owner*, the newest first."""
        query = select(FindingRow).where(FindingRow.owner == owner)
        with self._begin() as session, session.begin():
            rows = session.scalars(query.order_by(FindingRow.last_seen.desc()).limit(limit))
            return [_shown(row) for row in rows]

    def _begin(self) -> Connection:
        return Connection(self._ledger.engine, expire_on_commit=False)

    @staticmethod
    def _rows(session: Connection, owner: str, findings: Sequence[Found]) -> dict[str, FindingRow]:
        """The row of each fingerprint; a new one for those not seen before."""
        marks, rows, at = sorted({f.fingerprint for f in findings}), {}, now()
        for first in range(0, len(marks), ASKED):
            some = FindingRow.fingerprint.in_(marks[first : first + ASKED])
            for row in session.scalars(select(FindingRow).where(FindingRow.owner == owner, some)):
                rows[row.fingerprint] = row
        for mark in (mark for mark in marks if mark not in rows):
            rows[mark] = FindingRow(owner=owner, fingerprint=mark, count=0, first_seen=at)
            rows[mark].handed = rows[mark].incident = ""
            session.add(rows[mark])
        return rows

    def _hand_in(
        self, session: Connection, app: str, rows: Sequence[tuple[FindingRow, Found]]
    ) -> list[str]:
        """The incidents that these findings opened."""
        mine = select(IncidentRow).where(IncidentRow.app == app)
        newest = session.scalars(mine.order_by(IncidentRow.opened.desc())).first()
        if newest is not None and newest.state == State.ASKED:
            return []  # somebody was asked already, and nothing is tried until then
        alive = mine.where(IncidentRow.state.not_in([s.value for s in ENDED]))
        live = session.scalars(alive.order_by(IncidentRow.opened)).first()
        before = self._opened(session, app)
        opened: list[str] = []
        for row, finding in rows:
            lately = before + len(opened)
            told = fate(
                finding.name, row.count, live is not None, _ago(row.handed), lately, self._rule
            )
            if told == "join" and live is not None:
                count_events(live, finding.count)
                row.incident = live.id
            elif told == "open":
                incident, new = self._ledger.opened(session, _request(app, finding), finding.count)
                live = session.get(IncidentRow, incident.id)
                row.handed, row.incident = now(), incident.id
                opened += [incident.id] if new else []
        return opened

    def _opened(self, session: Connection, owner: str) -> int:
        since = FindingRow.handed > _later(-self._rule.within_s)
        query = select(func.count()).select_from(FindingRow)
        return session.scalar(query.where(FindingRow.owner == owner, since)) or 0

    @staticmethod
    def _forget(session: Connection, owner: str) -> None:
        mine = FindingRow.owner == owner
        too_old = FindingRow.last_seen < _later(-KEPT_DAYS * 86400)
        session.flush()
        session.execute(delete(FindingRow).where(mine, too_old))
        many = session.scalar(select(func.count()).select_from(FindingRow).where(mine)) or 0
        if many > MOST:
            newest = select(FindingRow.number).where(mine).order_by(FindingRow.last_seen.desc())
            kept = newest.limit(MOST).scalar_subquery()
            session.execute(delete(FindingRow).where(mine, FindingRow.number.not_in(kept)))


def _remember(session: Connection, owner: str, states: Mapping[str, Mapping[str, Any]]) -> None:
    """How far each of these logs was read."""
    known = {}
    if states:
        query = select(OffsetRow).where(OffsetRow.owner == owner, OffsetRow.source.in_(states))
        known = {row.source: row for row in session.scalars(query)}
    for source, state in states.items():
        row = known.get(source) or OffsetRow(owner=owner, source=source)
        row.state, row.updated = dict(state), now()
        session.add(row)


def _count(row: FindingRow, finding: Found) -> int:
    """How often it came in all."""
    row.count += finding.count
    row.last_seen, row.name = now(), finding.name
    row.body = finding.model_dump(mode="json")
    return row.count


def _request(app: str, finding: Found) -> Request:
    return Request(
        app=app,
        text=finding.text[:TEXT],
        fields={"log": finding.source, "log fingerprint": finding.fingerprint},
        source="log",
        actor="log",
        mark=finding.fingerprint,
    )


def _shown(row: FindingRow) -> dict[str, Any]:
    return {
        **row.body,
        "count": row.count,
        "first_seen": row.first_seen,
        "last_seen": row.last_seen,
        "incident": row.incident,
    }


def _ago(moment: str) -> float | None:
    if not moment:
        return None
    return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()


def _later(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
