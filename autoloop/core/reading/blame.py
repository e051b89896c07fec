"""Blame: which of the names around a complaint is its culprit.

Every name has marks: its kind, the words and signs around it, how far it stands from the words
that complain. What each mark weighs was fitted to labelled texts (`tests/learning/fit_blame.py`);
the name whose marks weigh most is blamed. It is asked only where neither a signature nor the
patterns of a cause or of its class name a culprit.
"""

import json
import re
from collections import Counter
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

from autoloop.core.reading.culprits import cleared, names_nothing, place_in, plain
from autoloop.core.reading.entities import Entity, entities, wordings
from autoloop.core.reading.excerpt import Excerpt
from autoloop.core.reading.traces import Trace, foreign
from autoloop.core.redact import HIDDEN, redact

WEIGHTS = "blame.json"
WHOLE, REACH = 6, 1
"""Lines of a text that is read as a whole; lines to either side that are, of a longer one."""

_LIKE = {
    kind: family
    for family, kinds in {
        "path": "path file",
        "place": "place",
        "address": "ip:port ip host:port ipv6",
        "url": "url",
        "name": "dotted snake dashed camel class method named caps",
        "word": "word Word",
        "number": "number amount hex version",
        "setting": "setting variable option",
        "unit": "unit",
        "mail": "mail",
        "exception": "exception",
        "phrase": "phrase other",
    }.items()
    for kind in kinds.split()
}
"""Families of kinds, which have many of their weights in common."""

STEPS = (3, 22, 60)
"""Characters from which on a name stands farther from a complaint."""

_ENDING = re.compile(r"\.([a-z]\w{0,6})(?::\d+)*$")
_PLACED = ("line", "行", "第")


class Complaint(NamedTuple):
    """A cause, the line and the place in it where it was found, and its culprit if that is told."""

    name: str
    line: int
    start: int = -1
    end: int = -1
    told: str = ""


def blamed(complaint: Complaint, excerpt: Excerpt, trace: Trace) -> str:
    """What is told, else the name whose marks weigh most; empty if there is none."""
    if complaint.told:
        return complaint.told
    best, most = "", float("-inf")
    for text, marks in marked(complaint, excerpt, trace).items():
        weight = sum(map(_weight, marks))
        if weight > most:
            best, most = text, weight
    return best


Marks = tuple[str, ...]
"""Marks that come together, again and again."""


@lru_cache(maxsize=16_384)
def _weight(marks: Marks) -> float:
    known = _weights()
    return sum(known.get(mark, 0.0) for mark in marks)


def marked(complaint: Complaint, excerpt: Excerpt, trace: Trace) -> dict[str, list[Marks]]:
    """The names around a complaint, those nearest first, each with its marks."""
    family = complaint.name.split(".")[0]
    found: dict[str, list[Marks]] = {}
    for number in _near(complaint.line, len(excerpt.lines)):
        line = redact(excerpt.lines[number])
        seen = Counter[str]()
        away = _away(number - complaint.line)
        here = number == complaint.line and complaint.start >= 0
        far = f"away {away}f" if number in trace.frames else f"away {away}"
        clear = cleared(line)
        for place, one in enumerate(entities(clear)):
            if HIDDEN in one.text or one.kind == "exception":
                continue
            if one.text in found:
                if ("again",) not in found[one.text]:
                    found[one.text].append(("again",))
                continue
            seen[one.kind] += 1
            found[one.text] = marks = [
                _looks(one.text),
                _stands(one.kind, one.sign, bool(one.quote), one.last, family),
                (f"before {one.before}", f"before {one.before} {family}"),
                (f"after {one.after}",),
                (far, f"{_LIKE[one.kind]} away {away[0]}"),
                (f"nth {min(seen[one.kind], 3)}", f"place {min(place, 4)}"),
            ]
            if here:
                marks.append((_beside(one, complaint, clear),))
        if any(word in line for word in _PLACED) and (at := place_in(plain(line))):
            found.setdefault(at, [("numbered", far), _is("place", family), _looks(at)])
    if trace.own:
        found.setdefault(trace.own, [_is("place", family), _looks(trace.own)]).append(("own",))
    return found


def _near(line: int, count: int) -> list[int]:
    """The lines that are read, the nearest first."""
    whole = count <= WHOLE
    lines = range(0 if whole else max(line - REACH, 0), count if whole else line + REACH + 1)
    return sorted((n for n in lines if n < count), key=lambda n: (abs(n - line), -n))


def _away(step: int) -> str:
    if step == 0:
        return "0"
    return ("+" if step > 0 else "-") + ("1" if abs(step) == 1 else "2")


def _is(kind: str, family: str) -> Marks:
    return f"kind {kind}", f"kind {kind} {family}"


@lru_cache(maxsize=4096)
def _stands(kind: str, sign: str, quoted: bool, last: bool, family: str) -> Marks:
    """Marks of where a name of this kind stands: between which signs, at the end or not."""
    like = _LIKE[kind]
    marks = [
        *_is(kind, family),
        f"sign {sign}",
        f"{like} sign {sign[:2]}",
        f"{like} {'quoted' if quoted else 'bare'}",
    ]
    if last:
        marks += ["last", f"{like} last", f"last sign {sign[:2]}"]
    return tuple(marks)


@lru_cache(maxsize=4096)
def _looks(text: str) -> Marks:
    """Marks of how a name looks."""
    marks = []
    if names_nothing(text):
        marks.append("common")
    if len(text) < 3:
        marks.append("short")
    elif len(text) > 60:
        marks.append("long")
    if " " in text:
        marks.append(f"words {min(text.count(' '), 4)}")
    elif text.lower() in wordings():
        marks.append("wording")
    if foreign(text):
        marks.append("foreign")
    if not text.isalpha() and any(map(str.isdigit, text)):
        marks.append("digits")
    if found := _ENDING.search(text):
        marks.append(f"ending {found[1]}")
    return tuple(marks)


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
