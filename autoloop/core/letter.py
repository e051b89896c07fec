"""Letters: what is mailed to people when an incident has ended or a deployment was put back."""

import re

from autoloop.core.errors import BadSpec
from autoloop.core.incident import State, clip
from autoloop.core.redact import redact
from autoloop.core.report import Report
from autoloop.core.telling import TITLES
from autoloop.core.words import Frozen, Language, Words

TOLD = frozenset({State.CLOSED, State.ASKED})
"""The endings that people are told of; what was ignored is none of their business."""

LONGEST_S = 3 * 86400.0
FIRST_S, SLOWEST_S = 30.0, 3600.0
_ADDRESS = re.compile(r"[^\s<>,;:\"()@\\]{1,64}@[^\s<>,;:\"()@\\]{1,255}")


class Letter(Frozen):
    """One message. *id* is the same for the same ending, *about* for the same incident."""

    id: str
    about: str
    subject: str
    text: str
    html: str


def subject_of(app: str, cause: str, ending: Words, about: str, language: Language) -> str:
    """One line without secrets: application, cause, ending."""
    return one_line(f"[autoloop] {app}: {cause} — {ending.say(language)} ({about})")


def report_subject(report: Report, language: Language) -> str:
    """The subject of a report's letter."""
    top, number = report.diagnosis.top, report.incident.id
    cause = f"{top.name} {top.culprit}".strip()
    return subject_of(report.incident.app, cause, TITLES[report.ending], number, language)


def letter_id(about: str, state: str, ended: str) -> str:
    """The name of one ending: also the left part of the message's id."""
    parts = (about, state.replace(" ", "-"), re.sub(r"[^0-9]", "", ended)[:17])
    return ".".join(part for part in parts if part)


def one_line(text: str, limit: int = 180) -> str:
    """*text* as it may stand in a header: one line, no control characters, not too long."""
    flat = " ".join(redact(" ".join(text.split())).split())
    flat = flat.encode("utf-8", "replace").decode()
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"


def body(text: str) -> str:
    """*text* as it may be sent, and not endless."""
    return clip(text.encode("utf-8", "replace").decode())


def addresses(text: str) -> tuple[str, ...]:
    """Mail addresses, separated by commas.

    Raises:
        BadSpec: one of them is none.
    """
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    for one in found:
        if not (one.isascii() and _ADDRESS.fullmatch(one)):
            raise BadSpec("mail address", f"{one!r} is not one", "write name@host, without a name")
    return found


def retry_after(tries: int, age_s: float) -> float | None:
    """Seconds until the next try after so many, or None when it is given up."""
    if age_s > LONGEST_S:
        return None
    return float(min(FIRST_S * 2 ** min(tries - 1, 20), SLOWEST_S))
