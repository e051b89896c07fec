"""Letters that wait to be sent, and those that were. Every method is one transaction."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Session as Connection

from autoloop.core.letter import Letter, retry_after
from autoloop.core.redact import redact
from autoloop.ledger.models import LetterRow
from autoloop.ledger.store import Ledger, now

CLAIM_S = 120.0
"""For so long a letter belongs to whoever is sending it; longer than sending may take."""

KEPT_DAYS = 90


class Outbox:
    """The letters of a platform. A letter is written once, and sent by one at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self._engine = ledger.engine

    def put(self, letter: Letter) -> bool:
        """Keep *letter* until it is sent; whether it is new. Old ones are forgotten."""
        at = now()
        old = LetterRow.ended != "", LetterRow.ended < _later(-KEPT_DAYS * 86400)
        with Connection(self._engine) as session, session.begin():
            session.execute(delete(LetterRow).where(*old))
            if session.get(LetterRow, letter.id) is not None:
                return False
            body = letter.model_dump(mode="json")
            session.add(LetterRow(id=letter.id, about=letter.about, body=body, written=at, due=at))
            return True

    def claim(self, number: str = "") -> tuple[Letter, int] | None:
        """A letter whose time has come (or *number* alone), and how often it was tried before.

        Nobody else gets it until `CLAIM_S` have passed: then its sender has died.
        """
        due = select(LetterRow).where(LetterRow.ended == "", LetterRow.due <= now())
        if number:
            due = due.where(LetterRow.id == number)
        with Connection(self._engine) as session, session.begin():
            row = session.scalar(due.order_by(LetterRow.due).limit(1))
            if row is None:
                return None
            row.due = _later(CLAIM_S)
            row.tries += 1
            return Letter.model_validate(row.body), row.tries - 1

    def sent(self, number: str) -> None:
        """It was taken by the mail server; its text is no longer needed."""
        with Connection(self._engine) as session, session.begin():
            _end(session.get_one(LetterRow, number), "")

    def failed(self, number: str, trouble: str) -> bool:
        """It was not taken: it is due again later; whether it was given up instead."""
        with Connection(self._engine) as session, session.begin():
            row = session.get_one(LetterRow, number)
            age = datetime.now(UTC) - datetime.fromisoformat(row.written)
            wait = retry_after(row.tries, age.total_seconds())
            row.trouble = redact(trouble)
            if wait is None:
                _end(row, row.trouble)
                return True
            row.due = _later(wait)
            return False


def _end(row: LetterRow, trouble: str) -> None:
    row.body, row.trouble, row.ended = {}, trouble, now()


def _later(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")
