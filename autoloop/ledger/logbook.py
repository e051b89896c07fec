"""What was found in logs, and how far they were read. Every method is one transaction."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol

from pydantic import Field
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.orm import Session

from autoloop.core.incident import ENDED, Request, State
from autoloop.core.storm import Rule, fate
from autoloop.core.words import Frozen
from autoloop.ledger.models import AppRow, FindingRow, IncidentRow, OffsetRow
from autoloop.ledger.store import Ledger, counted, now

KEPT_DAYS = 90
MOST = 5_000
"""Findings of one owner that are kept; those not seen for longest go first."""

FORGET_S = 60.0
"""So often old findings are looked for."""

ASKED = 500
"""Fingerprints that are asked for in one query."""

TEXT = 4_000
"""Characters of a record that go into the text of an incident."""

_CHANGES = ("name", "count", "last_seen", "body", "handed", "incident")
"""What changes of a finding when it comes again."""


# Statements are made once: to make one takes longer than to run it.
_STATES = select(OffsetRow.source, OffsetRow.state).where(OffsetRow.owner == bindparam("owner"))
_MOVE = update(OffsetRow).where(
    OffsetRow.owner == bindparam("of"), OffsetRow.source == bindparam("at")
)
_MOVE = _MOVE.values(state=bindparam("state"), updated=bindparam("updated"))
_PLACE = insert(OffsetRow)
_KNOWN = select(
    FindingRow.fingerprint,
    FindingRow.number,
    FindingRow.count,
    FindingRow.handed,
    FindingRow.incident,
).where(
    FindingRow.owner == bindparam("owner"),
    FindingRow.fingerprint.in_(bindparam("marks", expanding=True)),
)
_NEW = insert(FindingRow)
_SEEN = update(FindingRow).where(FindingRow.number == bindparam("of"))
_SEEN = _SEEN.values({name: bindparam(name) for name in _CHANGES})
_MINE = IncidentRow.app == bindparam("app")
_ALIVE = IncidentRow.state.not_in([state.value for state in ENDED])
_NEWEST = select(IncidentRow.state).where(_MINE).order_by(IncidentRow.opened.desc()).limit(1)
_LIVE = select(IncidentRow.id).where(_MINE, _ALIVE).order_by(IncidentRow.opened).limit(1)
_LATELY = select(func.count(FindingRow.number)).where(
    FindingRow.owner == bindparam("app"), FindingRow.handed > bindparam("since")
)
_STATION = select(
    _NEWEST.scalar_subquery(), _LIVE.scalar_subquery(), _LATELY.scalar_subquery()
).where(select(AppRow.name).where(AppRow.name == bindparam("app")).exists())
_BODY = select(IncidentRow.body).where(IncidentRow.id == bindparam("of"))
_COUNT = update(IncidentRow).where(IncidentRow.id == bindparam("of"))
_COUNT = _COUNT.values(body=bindparam("body"))


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
            return {row.source: row.state for row in here.execute(_STATES, {"owner": owner})}

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
            _remember(here, owner, states)
            rows = _known(here, owner, [finding.fingerprint for finding in findings])
            for finding in findings:
                rows[finding.fingerprint].count += finding.count
            if hand_in and findings:
                opened = self._hand_in(here, owner, [(rows[f.fingerprint], f) for f in findings])
            _write(here, owner, rows, {finding.fingerprint: finding for finding in findings})
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
        since = _later(-self._rule.within_s)
        station = here.execute(_STATION, {"app": app, "since": since}).one_or_none()
        if station is None:
            return []  # not under care
        newest, live, lately = station
        if newest == State.ASKED:
            return []  # somebody was asked already, and nothing is tried until then
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
            _join(here, live, joined)
        return opened

    def _open(self, here: Connection, request: Request, events: int) -> tuple[str, bool]:
        """The incident that a report opens or joins, and whether it is new."""
        with Session(here, expire_on_commit=False) as session:
            incident, new = self._ledger.opened(session, request, events)
            session.commit()  # into the transaction of *here*
        return incident.id, new


def _remember(here: Connection, owner: str, states: Mapping[str, Mapping[str, Any]]) -> None:
    """How far each of these logs was read."""
    for source, state in states.items():
        row = {"state": dict(state), "updated": now()}
        if not here.execute(_MOVE, {"of": owner, "at": source, **row}).rowcount:
            here.execute(_PLACE, {"owner": owner, "source": source, **row})


def _known(here: Connection, owner: str, marks: Sequence[str]) -> dict[str, _Row]:
    """What is known of each fingerprint."""
    rows = {mark: _Row() for mark in marks}
    asked = sorted(rows)
    for first in range(0, len(asked), ASKED):
        some = {"owner": owner, "marks": asked[first : first + ASKED]}
        for mark, *known in here.execute(_KNOWN, some):
            rows[mark] = _Row(*known)
    return rows


def _write(
    here: Connection, owner: str, rows: Mapping[str, _Row], findings: Mapping[str, Found]
) -> None:
    """Keep what became of these fingerprints."""
    at, old, new = now(), [], []
    for mark, row in rows.items():
        finding = findings[mark]
        values = {
            "name": finding.name,
            "count": row.count,
            "last_seen": at,
            "body": finding.model_dump(mode="json"),
            "handed": row.handed,
            "incident": row.incident,
        }
        if row.number is None:
            new.append({**values, "owner": owner, "fingerprint": mark, "first_seen": at})
        else:
            old.append({**values, "of": row.number})
    if old:
        here.execute(_SEEN, old)
    if new:
        here.execute(_NEW, new)


def _join(here: Connection, incident: str, events: int) -> None:
    """So many more events of a live incident were seen."""
    body = counted(here.scalars(_BODY, {"of": incident}).one(), events)
    here.execute(_COUNT, {"of": incident, "body": body})


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
