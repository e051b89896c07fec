"""Features of a name near a complaint: the marks whose weights tell whether it is the culprit."""

import re
from functools import lru_cache

from autoloop.core.reading.culprits import names_nothing
from autoloop.core.reading.entities import CALLED, PLACEHOLDER, Entity, wordings
from autoloop.core.reading.traces import foreign

LIKE = {
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
        "exception": "exception frame",
        "phrase": "phrase other",
        PLACEHOLDER: PLACEHOLDER,
    }.items()
    for kind in kinds.split()
}
"""Families of kinds, which have many of their weights in common."""

_ENDING = re.compile(r"\.([a-z]\w{0,6})(?::\d+)*$")

_LETTERS = re.compile(r"[a-z]{2,16}")

PARTS = 8
"""Words that a name is made of which are marks of it, at most."""

_PARTS = re.compile(r"[-/]")

Marks = tuple[str, ...]
"""Marks that come together, again and again."""


def of_kind(kind: str, name: str) -> Marks:
    """Marks of the kind of a name, alone and with the cause that is looked for."""
    return f"kind {kind}", f"kind {kind} {name.split('.')[0]}", f"kind {kind} {name}"


@lru_cache(maxsize=4096)
def stands(kind: str, sign: str, quoted: bool, last: bool, name: str) -> Marks:
    """Marks of where a name of this kind stands: between which signs, at the end or not."""
    like = LIKE[kind]
    marks = [
        *of_kind(kind, name),
        f"sign {sign}",
        f"{like} sign {sign[:2]}",
        f"{like} {'quoted' if quoted else 'bare'}",
    ]
    if last:
        marks += ["last", f"{like} last", f"last sign {sign[:2]}"]
    return tuple(marks)


@lru_cache(maxsize=4096)
def words_around(before: str, after: str, like: str, family: str) -> Marks:
    """Marks of the words before and behind a name."""
    return (
        f"before {before}",
        f"before {before} {family}",
        f"before {before} {like}",
        f"after {after}",
        f"after {after} {like}",
    )


@lru_cache(maxsize=4096)
def placed(like: str, far: str, nth: int, place: int, beside: str, within: str, name: str) -> Marks:
    """Marks of the place of a name: in the text, in its line, by the complaint, in other names."""
    marks = [far, f"{like} {far[:6]}", f"nth {nth}", f"place {place}"]
    if beside:
        marks += [beside, f"{beside} {like}", f"{beside} {name}"]
    if within:
        marks += [within, f"{within} {like}"]
    return tuple(marks)


def overlapping(one: Entity, others: tuple[Entity, ...]) -> str:
    """Whether a name is a part of another, or another a part of it."""
    for other in others:
        if other is not one and other.start < one.end and one.start < other.end:
            inner = one.end - one.start < other.end - other.start
            return "inside" if inner else "holds"
    return ""


def headed(one: Entity, head: re.Match[str], name: str) -> Marks:
    """Marks of a name in the head of a line of a system's log."""
    for part in ("host", "proc"):
        if one.start == head.start(part):
            return f"head {part}", f"head {part} {name}"
    return ("head",)


def set_off(one: Entity) -> str:
    """What sets a name off from the words around it: quotes, a word that says it is one."""
    if one.quote and one.quote not in "[(<{":
        return "set off"
    return "called" if one.before in CALLED else ""


@lru_cache(maxsize=4096)
def looks(text: str, how: str = "") -> Marks:
    """Marks of how a name looks; *how* tells what sets it off from the words around it."""
    marks = [how] if how else []
    if names_nothing(text):
        marks.append(f"common {how}")
    if len(text) < 3:
        marks.append("short")
    elif len(text) > 60:
        marks.append("long")
    if " " in text:
        marks.append(f"words {min(text.count(' '), 4)}")
    elif all(part in wordings() for part in _PARTS.split(text.lower())):
        marks.append(f"wording {how}")
    if foreign(text):
        marks.append("foreign")
    if not text.isalpha() and any(map(str.isdigit, text)):
        marks.append("digits")
    if found := _ENDING.search(text):
        marks.append(f"ending {found[1]}")
    marks += [f"holds {part}" for part in dict.fromkeys(_LETTERS.findall(text.lower())[:PARTS])]
    return tuple(marks)
