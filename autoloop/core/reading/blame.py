"""Blame: which of the names around a complaint is its culprit.

Every name has marks: its kind, the words and signs around it, how far it stands from the words
that complain. What each mark weighs was fitted to labelled texts (`tests/learning/fit_blame.py`);
the name whose marks weigh most is blamed. What patterns take for the culprit is one of its marks;
names are not weighed where a signature tells, or where patterns know as well as anything.
"""

import json
import re
from collections import Counter
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

from autoloop.core.reading.culprits import (
    PLACES,
    TELLING,
    WELL,
    agreed,
    opinions,
    place_in,
    place_near,
    stated,
    stated_near,
)
from autoloop.core.reading.entities import PLACEHOLDER, Entity, entities, wordings
from autoloop.core.reading.excerpt import Excerpt
from autoloop.core.reading.features import (
    LIKE,
    Marks,
    headed,
    looks,
    of_kind,
    overlapping,
    placed,
    set_off,
    stands,
    words_around,
)
from autoloop.core.reading.plain import cleared, plain
from autoloop.core.reading.traces import Trace, foreign
from autoloop.core.redact import HIDDEN, redact

WEIGHTS = "blame.json"
WHOLE, REACH = 6, 1
"""Lines of a text that is read as a whole; lines to either side that are, of a longer one."""


ENOUGH = 2.0
"""The weight of a name from which on the lines around are not read for others."""

LEAST = -1.0
"""The weight below which nothing is blamed: of 1,161 labelled texts 37 had no name that weighed
more than about this; none of these was the culprit, and 36 of the texts show none."""

STEPS = (3, 22, 60)
"""Characters from which on a name stands farther from a complaint."""


_PLACED = ("line", "行", "第")


_HEAD = re.compile(
    r"^(?:<\d{1,3}>)?(?:(?:[A-Z][a-z]{2} {1,2}\d{1,2})? {2,40}(?P<host>[\w.-]{1,60}) )?"
    r"(?P<proc>[\w./()-]{1,60})(?:\[[\d ]{0,12}\])?: "
)
"""The machine and the process in a line of a system's log, without its time."""


_PASSING = re.compile(r"(?i)pid[:= ]{0,2}\d{1,10}|main")
"""The number of a process, which is gone when somebody looks for it; the thread all begin with."""


_FIGURE = re.compile(r"#?\d+(?:/\d+)?|\d+(?:\.\d+)? ?(?:[nµm]?s|%|[KMG]i?B)")
NUMBERED = (
    "LOGIN.",
    "CONFIG.wrong_port",
    "DATABASE.deadlock_or_lock_timeout",
    "SERVICE.cpu_overload",
    "SERVICE.port_blocked",
    "SERVICE.service_down",
    "SERVICE.timeout",
)
"""How the names of those causes begin whose culprit may be a bare number: a user, a port, a
process. Of others it is a code, a count, a time: of some 3,800 labelled texts such a number was
blamed in 26, and right in one."""


class Complaint(NamedTuple):
    """A cause, the line and the place in it where it was found, and its culprit if that is told.

    *thought* is what patterns take for it (`culprits.opinions`).
    """

    name: str
    line: int
    start: int = -1
    end: int = -1
    told: str = ""
    thought: tuple[tuple[str, str], ...] = ()


def blamed(
    found: Complaint, excerpt: Excerpt, trace: Trace, hint: str = "", *, weighs: bool = True
) -> str:
    """The culprit of a complaint: what its wording states, what is told of it, a frame or a line of
    code, what a line near it states, what the patterns of its cause name; else, where that
    *weighs*, the name for which most speaks.

    *hint* is what the pattern of a broad signature took.
    """
    told = stated(found.name, excerpt.lines, found.line) or found.told
    if not told and found.name.startswith("CODE."):
        told = trace.own
    if not told and found.name in PLACES:
        told = place_near(excerpt.lines, found.line)
    told = told or stated_near(found.name, excerpt.lines, found.line)
    if trace.own and _PASSING.fullmatch(told):
        return trace.own  # where it was when it was ended tells more than which it was
    if told:
        return told
    said = opinions(found.name, excerpt.lines, found.line, hint)
    if not weighs or found.name.startswith(TELLING):
        first = next((text for _, text in said), "")
        if first or not weighs:
            return first
    thought = tuple(said)  # nothing was taken of it, or nothing was there
    return agreed(thought) or weighed(found._replace(thought=thought), excerpt, trace)


def weighed(complaint: Complaint, excerpt: Excerpt, trace: Trace) -> str:
    """The name whose marks weigh most: of the line itself, where one weighs enough.

    What only repeats the complaint is none; it is left out here and not in `marked`, since what is
    learned from names learns from these, too.
    """
    wording = _wording(complaint, excerpt)
    near = _near(complaint.line, len(excerpt.lines))
    found = _gathered({}, near[:1], complaint, excerpt, trace)
    numbered = complaint.name.startswith(NUMBERED)
    best, most = _heaviest(_told(found, complaint, trace), wording, numbered)
    if most >= ENOUGH:
        return best
    if len(near) > 1:
        found = _gathered(found, near[1:], complaint, excerpt, trace)
        best, most = _heaviest(_told(found, complaint, trace), wording, numbered)
    return best if most >= LEAST else ""


def _heaviest(
    found: dict[str, list[Marks]], wording: set[str], numbered: bool
) -> tuple[str, float]:
    names = (each for each in found.items() if each[0] not in wording)
    if not numbered:
        names = (each for each in names if not _FIGURE.fullmatch(each[0]))
    weights = {text: sum(map(_weight, marks)) for text, marks in names}
    best = max(weights, key=weights.__getitem__, default="")
    return best, weights.get(best, float("-inf"))


@lru_cache(maxsize=16_384)
def _weight(marks: Marks) -> float:
    known = _weights()
    return sum(known.get(mark, 0.0) for mark in marks)


def marked(complaint: Complaint, excerpt: Excerpt, trace: Trace) -> dict[str, list[Marks]]:
    """The names around a complaint, those nearest first, each with its marks."""
    near = _near(complaint.line, len(excerpt.lines))
    return _told(_gathered({}, near, complaint, excerpt, trace), complaint, trace)


def _gathered(
    found: dict[str, list[Marks]],
    lines: list[int],
    complaint: Complaint,
    excerpt: Excerpt,
    trace: Trace,
) -> dict[str, list[Marks]]:
    """*found*, with the names in *lines* and their marks."""
    name = complaint.name
    family = name.split(".")[0]
    for number in lines:
        line = _redacted(excerpt.lines[number])
        if number != complaint.line and WELL.search(line):
            continue
        seen = Counter[str]()
        away = _away(number - complaint.line)
        here = number == complaint.line and complaint.start >= 0
        far = f"away {away}f" if number in trace.frames else f"away {away}"
        framed = number in trace.frames and family != "CODE"
        clear = cleared(line)
        head = _HEAD.match(clear)
        names = entities(clear)
        template = any(one.kind == PLACEHOLDER for one in names)
        for place, one in enumerate(names):
            if HIDDEN in one.text or one.kind in ("exception", "frame"):
                continue
            if framed and one.kind == "place" and foreign(one.text):
                continue
            if one.text in found:
                if ("again",) not in found[one.text]:
                    found[one.text].append(("again",))
                continue
            seen[one.kind] += 1
            like = LIKE[one.kind]
            found[one.text] = marks = [
                looks(one.text, set_off(one)),
                stands(one.kind, one.sign, bool(one.quote), one.last, name),
                words_around(one.before, one.after, like, family),
                placed(
                    like,
                    far,
                    min(seen[one.kind], 3),
                    min(place, 4),
                    _beside(one, complaint, clear) if here else "",
                    overlapping(one, names[max(place - 3, 0) : place + 4]),
                    name,
                ),
            ]
            if template and one.kind != PLACEHOLDER:
                marks.append(("template",))
            if head and one.start < head.end():
                marks.append(headed(one, head, name))
        if any(word in line for word in _PLACED) and (at := place_in(plain(line))):
            found.setdefault(at, [("numbered", far), of_kind("place", name), looks(at)])
    return found


def _told(
    seen: dict[str, list[Marks]], complaint: Complaint, trace: Trace
) -> dict[str, list[Marks]]:
    """The names *seen*, with marks of what a trace and patterns take for the culprit: on the name
    itself, and on those it is a part of."""
    found = {text: [*marks] for text, marks in seen.items()}
    name = complaint.name
    family = name.split(".")[0]
    if trace.own and (family == "CODE" or not foreign(trace.own)):
        found.setdefault(trace.own, [of_kind("place", name), looks(trace.own)]).append(("own",))
    first = True
    names = {text: text.lower() for text in found}
    for source, text in complaint.thought:
        low = text.lower()
        for each, each_low in names.items():
            if each != text and len(low) > 2 and len(each_low) > 2:
                if low in each_low:
                    found[each].append((f"part {source}", f"part of {source}"))
                elif each_low in low:
                    found[each].append((f"part {source}", f"part in {source}"))
        marks = found.setdefault(text, [("added", f"added {source}")])
        marks.append((f"told {source}", f"told {source} {family}"))
        if first:
            marks.append(("told first",))
            first = False
    return found


@lru_cache(maxsize=16)
def _redacted(line: str) -> str:
    return redact(line)


def _near(line: int, count: int) -> list[int]:
    """The lines that are read, the nearest first."""
    whole = count <= WHOLE
    lines = range(0 if whole else max(line - REACH, 0), count if whole else line + REACH + 1)
    return sorted((n for n in lines if n < count), key=lambda n: (abs(n - line), -n))


def _away(step: int) -> str:
    if step == 0:
        return "0"
    return ("+" if step > 0 else "-") + ("1" if abs(step) == 1 else "2")


def _wording(complaint: Complaint, excerpt: Excerpt) -> set[str]:
    """What only repeats what was found: phrases of it or around it, words of it that are no
    names."""
    if complaint.start < 0:
        return set()
    line = cleared(_redacted(excerpt.lines[complaint.line]))
    return {one.text for one in entities(line) if _is_wording(one, complaint, line)}


def _is_wording(one: Entity, complaint: Complaint, line: str) -> bool:
    inside = complaint.start <= one.start and one.end <= complaint.end
    if one.kind == "phrase":
        return inside or (one.start <= complaint.start and complaint.end <= one.end)
    quoted = one.quote and line.startswith(one.quote, one.end)
    word = one.text.lower() if one.text.istitle() else one.text
    return inside and not quoted and word in wordings()


def _beside(one: Entity, complaint: Complaint, line: str) -> str:
    """How far a name stands from the words that complain, and on which side."""
    if one.start >= complaint.end:
        return f"behind {_far(line[complaint.end : one.start])}"
    if one.end <= complaint.start:
        return f"ahead {_far(line[one.end : complaint.start])}"
    return "within"


def _far(between: str) -> int:
    """Steps of the distance; blanks, also those for numbers that were taken out, do not count."""
    gap = len(between.replace(" ", ""))
    return sum(gap >= step for step in STEPS)


@cache
def _weights() -> dict[str, float]:
    """What each mark weighs."""
    folder = files("autoloop.core.reading") / "signatures"
    weights: dict[str, float] = json.loads((folder / WEIGHTS).read_text(encoding="utf-8"))
    return weights
