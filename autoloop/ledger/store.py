"""Reading and writing the ledger. Every method is one transaction."""

import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, event, select, text
from sqlalchemy.orm import Session as Connection

from autoloop.core.errors import NotFound, NotSettled
from autoloop.core.incident import (
    ENDED,
    Incident,
    Request,
    State,
    Transition,
    check_move,
    clip,
    fingerprint,
    how_reported,
)
from autoloop.core.redact import redact, redact_value
from autoloop.ledger.models import AppRow, FenceRow, IncidentRow, KeyRow, TransitionRow


def now() -> str:
    """The time, UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class Ledger:
    """The ledger at *url*; opened, migrated and in WAL mode when it is SQLite."""

    def __init__(self, url: str) -> None:
        if url.startswith("sqlite:///"):
            folder = Path(url.removeprefix("sqlite:///")).parent
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.engine: Engine = create_engine(url, connect_args=_connect_args(url))
        if url.startswith("sqlite"):
            event.listen(self.engine, "connect", _sqlite_pragmas)
            event.listen(self.engine, "begin", _sqlite_begin)
        self._migrate()

    @property
    def unhurried(self) -> Engine:
        """The same ledger, where no commit waits for the disk: for what can be found again.

        What is committed outlives this process at once, and the machine with the next commit that
        waits.
        """
        return self.engine.execution_options(unhurried=True)

    def _migrate(self) -> None:
        config = Config()
        config.set_main_option("script_location", str(files("autoloop.ledger") / "migrations"))
        with self.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with Connection(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    # -- applications

    def save_app(self, name: str, about: dict[str, Any]) -> None:
        """Remember that an application is under care. Its whole spec is in its Prefect block."""
        with self._transaction() as session:
            session.merge(AppRow(name=name, about=about, updated=now()))

    def apps(self) -> dict[str, dict[str, Any]]:
        """What is known of the applications under care, by name."""
        with self._transaction() as session:
            rows = session.scalars(select(AppRow).order_by(AppRow.name))
            return {row.name: {**row.about, "updated": row.updated} for row in rows}

    def forget_app(self, name: str) -> None:
        """Let an application out of care. Its incidents stay."""
        with self._transaction() as session:
            session.delete(self._app(session, name))

    @staticmethod
    def _app(session: Connection, name: str) -> AppRow:
        row = session.get(AppRow, name)
        if row is None:
            raise NotFound(f"app '{name}'", "is not under care", "autoloop register autoloop.toml")
        return row

    def check_app(self, name: str) -> None:
        """Refuse a name that is not under care.

        Raises:
            NotFound: there is no such application.
        """
        with self._transaction() as session:
            self._app(session, name)

    # -- incidents

    def open_incident(self, request: Request) -> tuple[Incident, bool]:
        """The incident for *request*, and whether it is new.

        A key that was used before gives its incident and counts as no event; a live incident of the
        same trouble takes the report in.
        """
        with self._transaction() as session:
            return self.opened(session, request)

    def opened(
        self, session: Connection, request: Request, events: int = 1
    ) -> tuple[Incident, bool]:
        """The same within a transaction of the caller's; the report counts as so many events."""
        request = self._at_home(session, request)
        mark = fingerprint(request)
        used = self._used(session, request)
        if used is not None:
            return self._read(used), False
        known = self._known(session, request, mark)
        if known is not None:
            self._remember_key(session, request, known.id)
            count_events(known, events)
            return self._read(known), False
        incident = self._new(request, mark).model_copy(update={"events": events})
        session.add(_row(incident))
        session.flush()
        first = {"at": incident.first_seen, "reason": redact(how_reported(request))}
        session.add(TransitionRow(incident=incident.id, state=State.OPEN, **first))
        self._remember_key(session, request, incident.id)
        return incident, True

    @staticmethod
    def _at_home(session: Connection, request: Request) -> Request:
        """*request* in the environment of its application, unless it names one."""
        app = session.get(AppRow, request.app)
        if request.environment or app is None:
            return request
        return request.model_copy(update={"environment": app.about.get("environment", "")})

    @staticmethod
    def _remember_key(session: Connection, request: Request, incident: str) -> None:
        if request.idempotency_key:
            owner, key = request.bearer or request.actor, request.idempotency_key
            session.add(KeyRow(actor=owner, key=key, incident=incident))

    @staticmethod
    def _used(session: Connection, request: Request) -> IncidentRow | None:
        if not request.idempotency_key:
            return None
        owner, key = request.bearer or request.actor, request.idempotency_key
        query = select(KeyRow.incident).where(KeyRow.actor == owner, KeyRow.key == key)
        used = session.scalar(query)
        return session.get(IncidentRow, used) if used else None

    @staticmethod
    def _known(session: Connection, request: Request, mark: str) -> IncidentRow | None:
        live = select(IncidentRow).where(
            IncidentRow.app == request.app, IncidentRow.state.not_in([s.value for s in ENDED])
        )
        if request.source != "health":
            live = live.where(IncidentRow.fingerprint == mark)
        return session.scalars(live.order_by(IncidentRow.opened)).first()

    @staticmethod
    def _new(request: Request, mark: str) -> Incident:
        at = now()
        return Incident(
            id=f"i-{uuid.uuid4().hex[:12]}",
            app=request.app,
            text=clip(redact(request.text)),
            fields={key: redact_value(key, value) for key, value in request.fields.items()},
            severity=request.severity,
            source=request.source,
            actor=request.actor,
            tenant=request.tenant,
            environment=request.environment,
            fingerprint=mark,
            first_seen=at,
            last_seen=at,
        )

    def incident(self, number: str) -> Incident:
        """The incident with that id."""
        with self._transaction() as session:
            return self._read(self._get(session, number))

    def record(self, number: str) -> dict[str, Any]:
        """Everything the ledger knows of one incident, as doors hand it out."""
        with self._transaction() as session:
            return self._record(session, self._get(session, number))

    def records(self, app: str = "", limit: int = 50) -> list[dict[str, Any]]:
        """The newest incidents first."""
        query = select(IncidentRow).order_by(IncidentRow.opened.desc()).limit(limit)
        with self._transaction() as session:
            rows = session.scalars(query.where(IncidentRow.app == app) if app else query)
            return [self._record(session, row) for row in rows]

    def live(self, app: str) -> Incident | None:
        """The incident of *app* that is being worked on, if there is one."""
        query = select(IncidentRow).where(
            IncidentRow.app == app, IncidentRow.state.not_in([s.value for s in ENDED])
        )
        with self._transaction() as session:
            row = session.scalars(query).first()
            return self._read(row) if row else None

    def waiting(self) -> list[Incident]:
        """Incidents that no run has taken up yet: what is down first, then the oldest."""
        query = select(IncidentRow).where(
            IncidentRow.state == State.OPEN.value, IncidentRow.flow_run == ""
        )
        with self._transaction() as session:
            rows = session.scalars(query.order_by(IncidentRow.opened).limit(100))
            return sorted((self._read(row) for row in rows), key=lambda one: one.severity != "P0")

    def worked_on(self) -> list[Incident]:
        """Incidents that a run has taken up and not ended."""
        query = select(IncidentRow).where(
            IncidentRow.state.not_in([s.value for s in ENDED]), IncidentRow.flow_run != ""
        )
        with self._transaction() as session:
            return [self._read(row) for row in session.scalars(query.limit(1000))]

    def decide(self, number: str, approved: bool, actor: str, reason: str = "") -> Incident:
        """Write down what a person decided about a plan. The first decision counts.

        Raises:
            NotSettled: nothing waits for a decision, or it was decided otherwise.
        """
        with self._transaction() as session:
            row = self._get(session, number)
            if row.decision is not None and row.decision["approved"] == approved:
                return self._read(row)
            if row.decision is not None or row.state != State.AWAITING_APPROVAL:
                what = "was decided already" if row.decision else f"is '{row.state}'"
                raise NotSettled(f"incident {number}", what, f"autoloop report {number}")
            row.decision = {"approved": approved, "actor": actor, "reason": redact(reason)[:500]}
            return self._read(row)

    def decided(self) -> list[Incident]:
        """Incidents that were decided and whose run has not gone on yet."""
        query = select(IncidentRow).where(IncidentRow.state == State.AWAITING_APPROVAL.value)
        with self._transaction() as session:
            rows = session.scalars(query)
            return [self._read(row) for row in rows if row.decision is not None]

    def asked(self, app: str) -> list[dict[str, Any]]:
        """The records of *app* that wait for a person, newest first; 100 at most."""
        query = select(IncidentRow).where(
            IncidentRow.app == app, IncidentRow.state == State.ASKED.value
        )
        with self._transaction() as session:
            rows = session.scalars(query.order_by(IncidentRow.opened.desc()).limit(100))
            return [self._record(session, row) for row in rows]

    def repeats(self, app: str, cause: str, since: str) -> int:
        """How many incidents of *app* with that *cause* were closed by a repair after *since*."""
        closed = [r for r in self.records(app, 50) if r["ended"] > since and r["outcome"]]
        return sum(1 for r in closed if r["diagnosis"]["causes"][0]["name"] == cause)

    def _record(self, session: Connection, row: IncidentRow) -> dict[str, Any]:
        steps = session.scalars(
            select(TransitionRow)
            .where(TransitionRow.incident == row.id)
            .order_by(TransitionRow.number)
        )
        return {
            **self._read(row).model_dump(mode="json"),
            "diagnosis": row.diagnosis,
            "plan": row.plan,
            "decision": row.decision,
            "outcome": row.outcome,
            "opened": row.opened,
            "ended": row.ended,
            "timeline": [{"at": s.at, "state": s.state, "reason": s.reason} for s in steps],
        }

    def move(self, number: str, to: State, reason: str, **kept: Any) -> Incident:
        """Write a transition down. A move that was made already is not made twice.

        Args:
            kept: columns to set with it: diagnosis, plan, outcome, flow_run.
        """
        with self._transaction() as session:
            row = self._get(session, number)
            self._move(session, row, to, reason)
            for name, value in kept.items():
                setattr(row, name, value)
            return self._read(row)

    def take_up(self, number: str, run: str) -> Incident:
        """Begin the work of a flow run on an incident; only one at a time may.

        Raises:
            NotSettled: another run works on it, or it has ended.
        """
        with self._transaction() as session:
            row = self._get(session, number)
            if row.flow_run not in ("", run) and row.state not in ENDED:
                what = f"run {row.flow_run} works on it already, and counts this report too"
                raise NotSettled(f"incident {number}", what, f"autoloop report {number}")
            self._move(session, row, State.DIAGNOSING, "a run has taken it up")
            row.flow_run = run
            return self._read(row)

    @staticmethod
    def _move(session: Connection, row: IncidentRow, to: State, reason: str) -> None:
        if row.state == to:
            return
        check_move(row.id, State(row.state), to)
        step = TransitionRow(incident=row.id, at=now(), state=to, reason=redact(reason))
        session.add(step)
        row.state = to
        row.ended = now() if to in ENDED else ""

    def note(self, number: str, reason: str) -> None:
        """Write a line into an incident's timeline without moving it; once."""
        reason = redact(reason)
        with self._transaction() as session:
            row = self._get(session, number)
            known = select(TransitionRow).where(
                TransitionRow.incident == number, TransitionRow.reason == reason
            )
            if session.scalars(known).first() is None:
                session.add(
                    TransitionRow(incident=number, at=now(), state=row.state, reason=reason)
                )

    def timeline(self, number: str) -> tuple[Transition, ...]:
        """The steps of an incident, in order."""
        return tuple(Transition.model_validate(step) for step in self.record(number)["timeline"])

    @staticmethod
    def _get(session: Connection, number: str) -> IncidentRow:
        row = session.get(IncidentRow, number)
        if row is None:
            raise NotFound(f"incident '{number}'", "does not exist", "autoloop incidents")
        return row

    @staticmethod
    def _read(row: IncidentRow) -> Incident:
        """An incident is as severe as its diagnosis says, once there is one."""
        severity = (row.diagnosis or row.body).get("severity", row.body["severity"])
        body = {**row.body, "state": row.state, "flow_run": row.flow_run, "severity": severity}
        return Incident.model_validate(body)

    # -- fencing

    def next_fence(self, name: str) -> int:
        """A number larger than every one given out before for *name*."""
        with self._transaction() as session:
            row = session.get(FenceRow, name) or FenceRow(name=name, number=0)
            row.number += 1
            session.add(row)
            return row.number

    def ping(self) -> bool:
        """Whether the database answers."""
        with self.engine.connect() as connection:
            return bool(connection.execute(text("select 1")).scalar() == 1)


def count_events(row: IncidentRow, events: int) -> None:
    """So many more events of a live incident were seen, the last one now."""
    row.body = counted(row.body, events)


def counted(body: dict[str, Any], events: int) -> dict[str, Any]:
    """The body of an incident of which so many more events were seen, the last one now."""
    return {**body, "events": body.get("events", 1) + events, "last_seen": now()}


def _row(incident: Incident) -> IncidentRow:
    return IncidentRow(
        id=incident.id,
        app=incident.app,
        state=incident.state,
        fingerprint=incident.fingerprint,
        body=incident.model_dump(mode="json"),
        opened=incident.first_seen,
        ended="",
        flow_run="",
    )


def _connect_args(url: str) -> dict[str, Any]:
    return {"timeout": 30, "isolation_level": None} if url.startswith("sqlite") else {}


def _sqlite_pragmas(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("pragma busy_timeout=30000")
    _use_wal(cursor)
    cursor.execute("pragma foreign_keys=on")
    cursor.close()


def _sqlite_begin(connection: Any) -> None:
    waits = not connection.get_execution_options().get("unhurried")
    plain, wanted = connection.connection.dbapi_connection, "full" if waits else "normal"
    if connection.info.get("synchronous") != wanted:
        plain.execute(f"pragma synchronous={wanted}")
        connection.info["synchronous"] = wanted
    plain.execute("BEGIN IMMEDIATE")


def _use_wal(cursor: Any) -> None:
    """Two processes that open a new database at once: the busy timeout does not hold for this."""
    for left in reversed(range(300)):
        try:
            cursor.execute("pragma journal_mode=wal")
            return
        except sqlite3.OperationalError:
            if not left:
                raise
            time.sleep(0.1)
