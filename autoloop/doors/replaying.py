"""``autoloop replay``: past incidents through today's rules, and what changed."""

from datetime import UTC, datetime
from typing import Any

from autoloop.core.errors import BadRequest
from autoloop.core.experience import Outcome
from autoloop.core.hindsight import Hindsight, hindsight
from autoloop.core.sight import judged
from autoloop.ledger.memories import PAST, Memories, Past
from autoloop.ledger.store import Ledger

CHANGED = 5


def replay(
    book: Ledger, app: str = "", since: str = "", before: str = "", limit: int = PAST
) -> dict[str, Any]:
    """Diagnose again what was seen then, with what all other incidents have taught.

    Returns:
        ``incidents`` (see `Hindsight`), the oldest first; how many are ``same``, ``better``,
        ``worse``, ``other``; the ids that are ``not_kept``: nothing tells what was seen; and
        ``older``: the incident *before* which there may be more than these *limit* newest ones.

    Raises:
        NotFound: *app* is not under care, or there is no incident *before*.
        BadRequest: *since* is no date.
    """
    if app:
        book.check_app(app)
    memories = Memories(book)
    known: dict[str, tuple[Outcome, ...]] = {}
    rows: list[Hindsight] = []
    not_kept: list[str] = []
    found = memories.past(app, as_time(since), before, limit)
    for past in found:
        name = past.incident.app
        if name not in known:
            known[name] = memories.outcomes(name)
        row = _again(memories, past, known[name])
        if row is None:
            not_kept.append(past.incident.id)
        else:
            rows.append(row)
    counts = {v: sum(r.verdict == v for r in rows) for v in ("same", "better", "worse", "other")}
    shown = [row.model_dump(mode="json") for row in rows]
    older = found[0].incident.id if len(found) == limit else ""
    return {"incidents": shown, **counts, "not_kept": not_kept, "older": older}


def as_time(since: str) -> str:
    """A date or time (UTC, unless it says otherwise) as the ledger writes times.

    Raises:
        BadRequest: it is none.
    """
    if not since:
        return ""
    try:
        at = datetime.fromisoformat(since)
    except ValueError:
        what = f"'{since[:40]}' is no date"
        raise BadRequest("since", what, "write it as 2026-11-01 or 2026-11-01T08:00") from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds")


def _again(memories: Memories, past: Past, outcomes: tuple[Outcome, ...]) -> Hindsight | None:
    """One incident again; what came of its own repairs teaches nothing about itself."""
    incident = past.incident
    sight = memories.sight(incident.id)
    if sight is None:
        return None
    own = tuple(one for one in outcomes if one.incident == incident.id)
    others = tuple(one for one in outcomes if one.incident != incident.id)
    now = judged(incident, sight, others)
    return hindsight(incident.id, incident.app, incident.first_seen, past.diagnosis, now, own)


def exit_code(document: dict[str, Any]) -> int:
    """0: today's rules name the same causes; 5: some are another."""
    changed = document["better"] + document["worse"] + document["other"]
    return CHANGED if changed else 0


def told(document: dict[str, Any]) -> str:
    """A line for each incident, more for one that changed, and the counts."""
    lines = [line for row in document["incidents"] for line in _lines(row)]
    counts = [f"{document[v]} {v}" for v in ("same", "better", "worse", "other") if document[v]]
    total = f"{len(document['incidents'])} replayed: {', '.join(counts)}"
    lines.append(total if counts else "nothing to replay")
    if document["not_kept"]:
        lines.append(f"{len(document['not_kept'])} more: what was seen is not kept")
    return "\n".join(lines)


def _lines(row: dict[str, Any]) -> list[str]:
    head = f"{row['incident']}  {row['app']}  {row['opened'][:16]}  {row['verdict']}"
    if row["verdict"] == "same":
        return [f"{head}  {_cause(row['now'])}"]
    return [
        head,
        f"   was  {_cause(row['was'])}",
        f"   now  {_cause(row['now'])}",
        f"   why  {row['why']}",
    ]


def _cause(cause: dict[str, Any]) -> str:
    about = " ".join(x for x in (cause["name"], cause["component"], cause["culprit"]) if x)
    return f"{about} ({cause['confidence']:.2f})"
