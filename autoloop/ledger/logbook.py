"""What was found in logs, and how far they were read. Every method is one transaction."""

import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from pydantic import Field
from sqlalchemy import Connection, and_, bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from autoloop.core.incident import ENDED, Request, State
from autoloop.core.storm import Rule, fate
from autoloop.core.words import Frozen
from autoloop.ledger.models import AppRow, FindingRow, IncidentRow, OffsetRow
from autoloop.ledger.statement import Statement, driver, one_of
from autoloop.ledger.store import Ledger, counted, now

KEPT_DAYS = 90
MOST = 5_000
"""Findings of one owner that are kept; those not seen for longest go first."""

FORGET_S = 60.0
"""So often old findings are looked for."""

TEXT = 4_000
"""Characters of a record that go into the text of an incident."""

_CHANGES = ("name", "count", "last_seen", "body", "handed", "incident")
"""What changes of a finding when it comes again."""


_STATES = Statement(
    select(OffsetRow.source, OffsetRow.state).where(OffsetRow.owner == bindparam("owner"))
)
_MOVE = Statement(
    update(OffsetRow)
    .where(OffsetRow.owner == bindparam("of"), OffsetRow.source == bindparam("at"))
    .values(state=bindparam("state"), updated=bindparam("updated"))
)
_PLACE = Statement(insert(OffsetRow))
_KNOWN = Statement(
    select(
        FindingRow.fingerprint,
        FindingRow.number,
        FindingRow.count,
        FindingRow.handed,
        FindingRow.incident,
    ).where(FindingRow.owner == bindparam("owner"), one_of(FindingRow.fingerprint, "marks"))
)
_NEW = Statement(insert(FindingRow))
_SEEN = Statement(
    update(FindingRow)
    .where(FindingRow.number == bindparam("of"))
    .values({name: bindparam(name) for name in _CHANGES})
)
_MINE = IncidentRow.app == bindparam("app")
_ALIVE = and_(*(IncidentRow.state != state.value for state in ENDED))
_NEWEST = select(IncidentRow.state).where(_MINE).order_by(IncidentRow.opened.desc()).limit(1)
_LIVE = select(IncidentRow.id).where(_MINE, _ALIVE).order_by(IncidentRow.opened).limit(1)
_STATION = Statement(
    select(_NEWEST.scalar_subquery(), _LIVE.scalar_subquery()).where(
        select(AppRow.name).where(AppRow.name == bindparam("app")).exists()
    )
)
_LATELY = Statement(
    select(func.count(FindingRow.number)).where(
        FindingRow.owner == bindparam("app"), FindingRow.handed > bindparam("since")
    )
)
_BODY = Statement(select(IncidentRow.body).where(IncidentRow.id == bindparam("of")))
_COUNT = Statement(
    update(IncidentRow).where(IncidentRow.id == bindparam("of")).values(body=bindparam("body"))
)


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

    def model_dump_json(self) -> str:
        """Its fields as JSON."""
        ...


@dataclass(slots=True)
class _Row:
    """What is known of a fingerprint; *number* is None when it is new."""

    number: int | None = None
    count: int = 0
    handed: str = ""
    incident: str = ""


class Logbook:
    """The logs of a platform. *owner* is an application, or any other reader with its own places.

    What was found and how far was read are kept together or not at all: so a record is neither lost
    nor kept twice, wherever a reader is killed. What is kept is on its way to the disk, not waited
    for: where the machine itself dies, both may be lacking, and the log is read again from there.
    """

    def __init__(self, ledger: Ledger, rule: Rule | None = None) -> None:
        self._ledger, self._unhurried = ledger, ledger.unhurried
        self._rule = rule or Rule()
        self._forgets = 0.0

    def states(self, owner: str) -> dict[str, dict[str, Any]]:
        """How far each log of *owner* was read, by its name."""
        with self._unhurried.begin() as here:
            rows = _STATES.run(driver(here), owner=owner)
            return {source: json.loads(state) for source, state in rows}

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
        with self._unhurried.begin() as here:
            plain = driver(here)
            _remember(plain, owner, states)
            rows = _known(plain, owner, [finding.fingerprint for finding in findings])
            for finding in findings:
                rows[finding.fingerprint].count += finding.count
            if hand_in and findings:
                opened = self._hand_in(here, owner, [(rows[f.fingerprint], f) for f in findings])
            _write(plain, owner, rows, {finding.fingerprint: finding for finding in findings})
            if findings and time.monotonic() > self._forgets:
                self._forgets = time.monotonic() + FORGET_S
                _forget(here, owner)
        return Kept(totals={mark: row.count for mark, row in rows.items()}, opened=tuple(opened))

    def found(self, owner: str, limit: int = 200) -> list[dict[str, Any]]:
        """What was found in the logs of *owner*, the newest first."""
        query = select(FindingRow).where(FindingRow.owner == owner)
        with Session(self._unhurried) as session, session.begin():
            rows = session.scalars(query.order_by(FindingRow.last_seen.desc()).limit(limit))
            return [_shown(row) for row in rows]

    def _hand_in(self, here: Connection, app: str, rows: Sequence[tuple[_Row, Found]]) -> list[str]:
        """The incidents that these findings opened."""
        plain = driver(here)
        station = _STATION.run(plain, app=app).fetchone()
        if station is None:
            return []  # not under care
        newest, live = station
        if newest == State.ASKED:
            return []  # somebody was asked already, and nothing is tried until then
        lately = 0 if live else _lately(plain, app, self._rule.within_s)
        joined, opened = 0, []
        for row, finding in rows:
            told = fate(finding.name, row.count, bool(live), _ago(row.handed), lately, self._rule)
            if told == "join":
                joined += finding.count
                row.incident = live
            elif told == "open":
                live, new = self._open(here, _request(app, finding), finding.count)
                row.handed, row.incident = now(), live
                opened += [live] if new else []
                lately += new
        if joined:
            _join(plain, live, joined)
        return opened

    def _open(self, here: Connection, request: Request, events: int) -> tuple[str, bool]:
        """The incident that a report opens or joins, and whether it is new."""
        with Session(here, expire_on_commit=False) as session:
            incident, new = self._ledger.opened(session, request, events)
            session.commit()  # into the transaction of *here*
        return incident.id, new


def _remember(
    here: sqlite3.Connection, owner: str, states: Mapping[str, Mapping[str, Any]]
) -> None:
    """How far each of these logs was read."""
    for source, state in states.items():
        row = {"state": json.dumps(state), "updated": now()}
        if not _MOVE.run(here, of=owner, at=source, **row).rowcount:
            _PLACE.run(here, owner=owner, source=source, **row)


def _known(here: sqlite3.Connection, owner: str, marks: Sequence[str]) -> dict[str, _Row]:
    """What is known of each fingerprint."""
    rows = {mark: _Row() for mark in marks}
    if rows:
        for mark, *known in _KNOWN.run(here, owner=owner, marks=json.dumps(list(rows))):
            rows[mark] = _Row(*known)
    return rows


def _write(
    here: sqlite3.Connection, owner: str, rows: Mapping[str, _Row], findings: Mapping[str, Found]
) -> None:
    """Keep what became of these fingerprints."""
    at, old, new = now(), [], []
    for mark, row in rows.items():
        finding = findings[mark]
        values = {
            "name": finding.name,
            "count": row.count,
            "last_seen": at,
            "body": finding.model_dump_json(),
            "handed": row.handed,
            "incident": row.incident,
        }
        if row.number is None:
            new.append({**values, "owner": owner, "fingerprint": mark, "first_seen": at})
        else:
            old.append({**values, "of": row.number})
    _SEEN.run_each(here, old)
    _NEW.run_each(here, new)


def _lately(here: sqlite3.Connection, app: str, seconds: float) -> int:
    """How many incidents the logs of *app* opened in the last *seconds*."""
    ((opened,),) = _LATELY.run(here, app=app, since=_later(-seconds))
    return int(opened)


def _join(here: sqlite3.Connection, incident: str, events: int) -> None:
    """So many more events of a live incident were seen."""
    ((body,),) = _BODY.run(here, of=incident)
    _COUNT.run(here, of=incident, body=json.dumps(counted(json.loads(body), events)))


def _forget(here: Connection, owner: str) -> None:
    """Findings that are too old, or too many."""
    mine = FindingRow.owner == owner
    too_old = FindingRow.last_seen < _later(-KEPT_DAYS * 86400)
    here.execute(delete(FindingRow).where(mine, too_old))
    many = here.scalar(select(func.count()).select_from(FindingRow).where(mine)) or 0
    if many > MOST:
        newest = select(FindingRow.number).where(mine).order_by(FindingRow.last_seen.desc())
        kept = newest.limit(MOST).scalar_subquery()
        here.execute(delete(FindingRow).where(mine, FindingRow.number.not_in(kept)))


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
