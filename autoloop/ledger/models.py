"""Tables of the ledger."""

from typing import Any

from sqlalchemy import JSON, Boolean, ForeignKey, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """All tables."""


class AppRow(Base):
    """An application under care: what doors show of it."""

    __tablename__ = "apps"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    about: Mapped[dict[str, Any]] = mapped_column(JSON)
    updated: Mapped[str] = mapped_column(String(32))


class IncidentRow(Base):
    """An incident. Times are UTC, ISO 8601."""

    __tablename__ = "incidents"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    app: Mapped[str] = mapped_column(String(64), index=True)
    state: Mapped[str] = mapped_column(String(24), index=True)
    fingerprint: Mapped[str] = mapped_column(String(16), index=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    diagnosis: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=None)
    plan: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=None)
    decision: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=None)
    outcome: Mapped[dict[str, Any] | None] = mapped_column(JSON, default=None)
    opened: Mapped[str] = mapped_column(String(32), index=True)
    ended: Mapped[str] = mapped_column(String(32), default="")
    flow_run: Mapped[str] = mapped_column(String(36), default="")


class SightRow(Base):
    """What the diagnosis of an incident was made from, so that it can be made again."""

    __tablename__ = "sights"

    incident: Mapped[str] = mapped_column(ForeignKey("incidents.id"), primary_key=True)
    app: Mapped[str] = mapped_column(String(64), index=True)
    at: Mapped[str] = mapped_column(String(32), index=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class OutcomeRow(Base):
    """What came of one repair: whether the cause that it was for was it."""

    __tablename__ = "outcomes"

    incident: Mapped[str] = mapped_column(ForeignKey("incidents.id"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    app: Mapped[str] = mapped_column(String(64), index=True)
    cause: Mapped[str] = mapped_column(String(64))
    probe: Mapped[str] = mapped_column(String(64))
    cured: Mapped[bool] = mapped_column(Boolean)
    at: Mapped[str] = mapped_column(String(32))


class TransitionRow(Base):
    """One step of an incident's life."""

    __tablename__ = "transitions"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    incident: Mapped[str] = mapped_column(ForeignKey("incidents.id"), index=True)
    at: Mapped[str] = mapped_column(String(32))
    state: Mapped[str] = mapped_column(String(24))
    reason: Mapped[str] = mapped_column(Text, default="")


class KeyRow(Base):
    """An idempotency key that was used, and what it led to."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (UniqueConstraint("actor", "key"),)

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    actor: Mapped[str] = mapped_column(String(128))
    key: Mapped[str] = mapped_column(String(128))
    incident: Mapped[str] = mapped_column(String(32))


class FenceRow(Base):
    """The last fencing number that was given out for a target."""

    __tablename__ = "fences"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, default=0)


class TrialRow(Base):
    """One run of an application's cases. Good: every case passed, none slower than it may be."""

    __tablename__ = "trials"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    app: Mapped[str] = mapped_column(String(64), index=True)
    good: Mapped[bool] = mapped_column(Boolean)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)


class LetterRow(Base):
    """A letter to people. *due* is when it is tried next; *ended* when it was sent or given up."""

    __tablename__ = "letters"

    id: Mapped[str] = mapped_column(String(96), primary_key=True)
    about: Mapped[str] = mapped_column(String(64))
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    written: Mapped[str] = mapped_column(String(32))
    due: Mapped[str] = mapped_column(String(32), index=True)
    tries: Mapped[int] = mapped_column(Integer, default=0)
    trouble: Mapped[str] = mapped_column(Text, default="")
    ended: Mapped[str] = mapped_column(String(32), default="", index=True)


class OffsetRow(Base):
    """How far a log was read: *state* is what its reader goes on from."""

    __tablename__ = "log_offsets"

    owner: Mapped[str] = mapped_column(String(96), primary_key=True)
    source: Mapped[str] = mapped_column(String(512), primary_key=True)
    state: Mapped[dict[str, Any]] = mapped_column(JSON)
    updated: Mapped[str] = mapped_column(String(32))


class FindingRow(Base):
    """Records of one fingerprint in the logs of an owner: how many, and the newest kept example.

    *handed* is when it last opened an incident.
    """

    __tablename__ = "log_findings"
    __table_args__ = (UniqueConstraint("owner", "fingerprint"),)

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    owner: Mapped[str] = mapped_column(String(96), index=True)
    fingerprint: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(64))
    count: Mapped[int] = mapped_column(Integer)
    first_seen: Mapped[str] = mapped_column(String(32))
    last_seen: Mapped[str] = mapped_column(String(32), index=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    handed: Mapped[str] = mapped_column(String(32), default="")
    incident: Mapped[str] = mapped_column(String(32), default="")
