"""What today's rules say of an incident that was diagnosed before, and what that is worth."""

from typing import Literal

from autoloop.core.diagnosis import BENIGN, UNKNOWN, Cause, Diagnosis
from autoloop.core.experience import Outcome
from autoloop.core.words import Frozen

Verdict = Literal["same", "better", "worse", "other"]
SHOWN = 160


class Hindsight(Frozen):
    """One incident replayed: its first cause then and now, and why they differ.

    It is *better* where the repair of today's cause was proved, or that of the former was put back;
    *worse* where the repair of the former was proved; else it is just *other*.
    *proved* and *put_back* name the causes whose repairs were.
    """

    incident: str
    app: str
    opened: str
    was: Cause
    now: Cause
    verdict: Verdict
    why: str = ""
    proved: tuple[str, ...] = ()
    put_back: tuple[str, ...] = ()


def hindsight(
    incident: str, app: str, opened: str, was: Diagnosis, now: Diagnosis, own: tuple[Outcome, ...]
) -> Hindsight:
    """Hold the diagnosis of today against the one of then; *own* is what came of its repairs."""
    proved = tuple(one.cause for one in own if one.cured)
    put_back = tuple(one.cause for one in own if not one.cured)
    same = _same(was.top, now.top)
    return Hindsight(
        incident=incident,
        app=app,
        opened=opened,
        was=was.top,
        now=now.top,
        verdict="same" if same else _verdict(was.top, now.top, proved, put_back),
        why="" if same else _why(was, now),
        proved=proved,
        put_back=put_back,
    )


def _same(one: Cause, other: Cause) -> bool:
    """Whether both would be called the same cause; how sure it is does not count."""
    return (one.name, one.component, one.culprit) == (other.name, other.component, other.culprit)


def _verdict(was: Cause, now: Cause, proved: tuple[str, ...], put_back: tuple[str, ...]) -> Verdict:
    if was.name == now.name:
        return "other"
    if was.name in proved:
        return "worse"
    return "better" if now.name in proved or was.name in put_back else "other"


def _why(was: Diagnosis, now: Diagnosis) -> str:
    """What shows the cause of today, and what became of the one of then."""
    return "; ".join(filter(None, (_shown(now.top), _became(was.top, now))))


def _shown(cause: Cause) -> str:
    if cause.name in (BENIGN, UNKNOWN):
        return "no rule confirms a cause now" if cause.name == UNKNOWN else "all was well, it says"
    seen = next((e for e in reversed(cause.evidence) if e.source == "past repairs"), None)
    seen = seen or next((e for e in cause.evidence if e.excerpt.strip()), None)
    return f"{seen.source}: {' '.join(seen.excerpt.split())[:SHOWN]}" if seen else ""


def _became(was: Cause, now: Diagnosis) -> str:
    """The place that the former first cause has now."""
    if was.name in (BENIGN, UNKNOWN):
        return "nothing was found then" if was.name == UNKNOWN else "nothing was wrong then"
    places = [n for n, cause in enumerate(now.causes, 1) if _same(cause, was)]
    if places:
        return f"{was.name} is number {places[0]} now"
    if any(cause.name == was.name for cause in now.causes):
        return f"{was.name} blames something else now"
    return f"{was.name} is confirmed no more"
