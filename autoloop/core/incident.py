"""An incident: what came in, for which application, and how far it has got.

The states and the ways between them are drawn in ``docs/explanation/incident.md``.
"""

import hashlib
import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, ValidationError

from autoloop.core.app import AppName
from autoloop.core.errors import BadRequest, NotSettled
from autoloop.core.redact import harmless
from autoloop.core.taxonomy import BLAMED, Severity, type_of
from autoloop.core.words import Frozen

Door = Literal["cli", "api", "python", "log", "alert", "webhook"]
"""Ways in that whoever holds the platform's token may name."""

Source = Literal[Door, "ui", "health"]

OPERATOR = "token"
"""Whoever holds the platform's token."""

TEXT_LIMIT = 256_000
"""Characters of an error text that are kept; the middle of a longer one is cut."""

FIELD_LIMIT = 4_000
"""Characters of a field that are kept; likewise."""


class State(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    DIAGNOSING = "diagnosing"
    PLANNED = "planned"
    AWAITING_APPROVAL = "awaiting approval"
    REPAIRING = "repairing"
    PROVING = "proving"
    ROLLED_BACK = "rolled back"
    CLOSED = "closed"
    ASKED = "asked a person"
    IGNORED = "ignored"


ENDED = frozenset({State.CLOSED, State.ASKED, State.IGNORED})

MOVES = MappingProxyType(
    {
        State.OPEN: frozenset({State.DIAGNOSING, State.IGNORED, State.ASKED}),
        State.DIAGNOSING: frozenset({State.PLANNED, State.IGNORED, State.ASKED}),
        State.PLANNED: frozenset({State.AWAITING_APPROVAL, State.REPAIRING, State.ASKED}),
        State.AWAITING_APPROVAL: frozenset({State.REPAIRING, State.ASKED, State.DIAGNOSING}),
        State.REPAIRING: frozenset({State.PROVING, State.ROLLED_BACK, State.ASKED}),
        State.PROVING: frozenset({State.CLOSED, State.ROLLED_BACK, State.ASKED}),
        State.ROLLED_BACK: frozenset({State.PLANNED, State.REPAIRING, State.ASKED}),
        State.CLOSED: frozenset(),
        State.ASKED: frozenset({State.CLOSED, State.DIAGNOSING}),
        State.IGNORED: frozenset(),
    }
)


def check_move(incident: str, now: State, to: State) -> None:
    """Refuse a step the diagram does not have.

    Raises:
        NotSettled: when *to* does not follow *now*.
    """
    if to not in MOVES[now]:
        allowed = ", ".join(sorted(MOVES[now])) or "none, it has ended"
        raise NotSettled(f"incident {incident}", f"cannot go from '{now}' to '{to}'", allowed)


class Request(Frozen):
    """What every door makes of what it was given; all doors get the same result for it.

    Idempotency keys belong to *bearer*; where there is none, to *actor*. *mark* is what tells this
    trouble from others where whoever reports knows better than the text does.
    """

    app: AppName
    text: str = Field(default="", max_length=TEXT_LIMIT)
    fields: dict[str, str] = Field(default_factory=dict, max_length=64)
    severity: Severity = "P1"
    source: Source = "api"
    actor: str = Field(default="anonymous", max_length=128)
    bearer: str = Field(default="", max_length=128)
    tenant: str = Field(default="default", max_length=64)
    environment: str = Field(default="", max_length=64)
    idempotency_key: str = Field(default="", max_length=128)
    mark: str = Field(default="", max_length=64)


def request_of(
    app: str, text: str, *, type: str = "", fields: Mapping[str, str] | None = None, **more: Any
) -> Request:
    """The request that any door makes of what it was given; what is long is clipped.

    Args:
        type: a class of errors, or a full name, as people write it; it becomes the field "type".

    Raises:
        BadRequest: naming what cannot be taken.
    """
    told = {_plain(name, 64): _plain(value, FIELD_LIMIT) for name, value in (fields or {}).items()}
    if kind := type_of(type or told.get("type", "")):
        told["type"] = kind
    try:
        return Request(app=app, text=_plain(text, TEXT_LIMIT), fields=told, **more)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise BadRequest(place, str(first["msg"]), "correct it, and hand it in again") from None


def _plain(text: str, limit: int) -> str:
    """*text* as it can be stored and shown: clipped, and nothing in it that deceives."""
    return harmless(clip(text, limit))


_WAYS: dict[Source, str] = {
    "cli": "the command line",
    "api": "the API",
    "python": "Python",
    "log": "a log",
    "alert": "an alert",
    "webhook": "a webhook",
    "ui": "the Prefect UI",
}


def how_reported(request: "Request | Incident") -> str:
    """Through which door, and by whom where that is known, in words."""
    if request.source == "health":
        return "found by a health check"
    nobody = ("anonymous", OPERATOR, request.source)
    who = "" if request.actor in nobody else f" by {request.actor}"
    return f"reported through {_WAYS[request.source]}{who}"


class Incident(Frozen):
    """One trouble of one application. At most one live flow run works on it."""

    id: str
    app: str
    text: str = ""
    fields: dict[str, str] = Field(default_factory=dict)
    source: Source = "api"
    actor: str = "anonymous"
    tenant: str = "default"
    environment: str = ""
    fingerprint: str = ""
    events: int = 1
    first_seen: str = ""
    last_seen: str = ""
    parent: str = ""
    severity: Severity = "P1"
    state: State = State.OPEN
    flow_run: str = ""


class Transition(Frozen):
    """One step of an incident's life, as written down when it was made."""

    at: str
    state: State
    reason: str


_VARYING = re.compile(
    r"0x[0-9a-f]+|\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b\d{4}-\d\d-\d\d[T ][\d:.,+Z-]+|\d+", re.IGNORECASE
)


def fingerprint(request: Request) -> str:
    """The same for two reports of the same trouble: numbers, ids and times do not count.

    Returns:
        16 hexadecimal digits over tenant, app, environment, and the mark; without a mark over the
        normalised text, the type, and what is to blame.
    """
    if request.mark:
        return digest(request.tenant, request.app, request.environment, "mark", request.mark)
    text = " ".join(_VARYING.sub("#", request.text).lower().split())
    told = [request.fields[key] for key in ("type", *BLAMED.values()) if request.fields.get(key)]
    return digest(request.tenant, request.app, request.environment, text, *told)


def digest(*parts: str) -> str:
    """16 hexadecimal digits of SHA-256 over *parts*, unambiguous at their borders."""
    whole = "\0".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(whole).hexdigest()[:16]


def clip(text: str, limit: int = TEXT_LIMIT) -> str:
    """*text* with its middle cut out when it is longer than *limit* characters."""
    if len(text) <= limit:
        return text
    half = max(limit // 2 - 32, 1)
    return f"{text[:half]}\n… {len(text) - 2 * half} characters cut …\n{text[-half:]}"
