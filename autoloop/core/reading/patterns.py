"""Patterns: compiled at their first use, and only tried where a word that they need occurs.

With the extra ``fast`` they are compiled by RE2, whose time is linear whatever the text; without
it by the standard library. Patterns are written in the part of the language that both read the
same way, without nested repetition, so that answers are the same (`faults` tells what is not).
"""

import importlib
import re
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

_OPEN = re.compile(
    r"\\x[0-9A-Fa-f]{2}|\\.|\[(?:\\.|[^\]\\])*\]|\((?:\?P<\w+>|\?:)?|[)|]|[*+?]\??|\{\d+(?:,\d*)?\}\??|."
)
_REPEATS = ("*", "+", "{")

LONGEST = 40
_OF = ("a-z", "0-9", r"\u4e00-\u9fff", r"^\x00-\x7f\u4e00-\u9fff")
RUN = re.compile("|".join(rf"[{kind}][{kind}]{{1,{LONGEST - 1}}}" for kind in _OF))
"""Runs of letters, digits, Chinese or other characters. The first one stands by itself so that `re`
need not try a kind to see that it is not there."""


_LONG = re.compile(r"[a-z]{4}|[0-9]{4}|[^\x00-\x7f]{2}")
"""What a word holds that the index finds wherever it stands."""


def is_found_anywhere(word: str) -> bool:
    """Whether the index finds *word* wherever it stands in a line."""
    return bool(_LONG.search(word))


def _engine() -> ModuleType:
    try:
        return importlib.import_module("re2")
    except ImportError:
        return re


@cache
def compiled(pattern: str, engine: ModuleType | None = None) -> Any:
    """The compiled pattern of the engine there is; letters and digits are those of ASCII."""
    chosen = engine or _engine()
    return re.compile(pattern, re.ASCII) if chosen is re else chosen.compile(pattern)


def tokens(pattern: str) -> list[str]:
    """The pieces of a pattern: groups' brackets, classes, repetitions, escapes, characters."""
    return _OPEN.findall(pattern)


def branches(pattern: str) -> tuple[str, ...]:
    """The alternatives of a pattern, each a pattern: tried apart, each behind its own words."""
    return tuple("".join(pieces) for pieces in _branches(tokens(pattern)))


_LETTER_FIRST = re.compile(r"(?:\(\?:|\(\?P<\w+>|\()*(?:[a-z0-9]|\\w|\[a-z|\[\\w)")


def begun(branch: str) -> str:
    """*branch* where a word begins, if it begins with letters; Chinese has no gaps between them."""
    return rf"\b(?:{branch})" if branch.isascii() and _LETTER_FIRST.match(branch) else branch


ENDLESS = 40
"""How often what may be repeated without an end is: letters that go on and on would take long."""


def bounded(pattern: str) -> str:
    """*pattern* with an end to every repetition."""
    ends = {"*": f"{{0,{ENDLESS}}}", "+": f"{{1,{ENDLESS}}}"}
    return "".join(
        ends[piece[0]] + piece[1:] if piece[0] in ends else piece for piece in tokens(pattern)
    )


def needs(pattern: str) -> tuple[str, ...]:
    """Words of which one must occur where *pattern* matches; none when there is no such word."""
    words = [pattern] if pattern.replace(" ", "").isalnum() else _needs(tokens(pattern))
    return tuple(dict.fromkeys(words)) if all(len(word) > 1 for word in words) else ()


_FLAGGED = re.compile(r"\(\?(?!P<|:)|\\[xu]")


@cache
def clues(pattern: str) -> tuple[str, ...]:
    """Pieces, in lower case, of which one is in every text of ASCII that *pattern* matches.

    As `needs`, but single characters too, and of patterns in any case; none when there is no such
    piece.
    """
    pattern = pattern.removeprefix("(?i)")
    words = [] if _FLAGGED.search(pattern) else _needs(tokens(pattern))
    return tuple(dict.fromkeys(word.lower() for word in words)) if all(words) else ()


def may_match(pattern: str, text: str, low: str) -> bool:
    """Whether *pattern* is worth trying on *text*; *low* is the text in lower case."""
    pieces = clues(pattern)
    if not pieces or not text.isascii():
        return True
    for piece in pieces:  # noqa: SIM110 - any() is slower, and this is asked of every pattern
        if piece in low:
            return True
    return False


def _needs(pieces: list[str]) -> list[str]:
    """The best words of each alternative, joined; an empty word means: anything."""
    return [word for branch in _branches(pieces) for word in _of_branch(branch)]


def _branches(pieces: list[str]) -> list[list[str]]:
    found: list[list[str]] = [[]]
    depth = 0
    for piece in pieces:
        depth += piece.startswith("(") - (piece == ")")
        if piece == "|" and depth == 0:
            found.append([])
        else:
            found[-1].append(piece)
    return found


def _of_branch(pieces: list[str]) -> list[str]:
    """The longest run of plain characters, or the words of a group that must be there."""
    runs, groups = _musts(pieces)
    return max([*(_needs(group) for group in groups), max(runs, key=_shortest)], key=_tells)


def _shortest(words: list[str]) -> int:
    return min(map(len, words))


FORMS = 4
"""Forms of one run of plain characters, with and without the optional ones among them, or with each
of the few of a class."""


def _musts(pieces: list[str]) -> tuple[list[list[str]], list[list[str]]]:
    """What must be there of an alternative: the runs of plain characters, and the groups.

    A run with an optional character, or with one of a few, has several forms, of which one must be
    there.
    """
    runs, groups, at = [[""]], list[list[str]](), 0
    while at < len(pieces):
        piece = pieces[at]
        end = _end(pieces, at) if piece[0] == "(" else at + 1
        repeat = pieces[end] if end < len(pieces) and _repeats(pieces[end]) else ""
        optional = repeat.startswith(("*", "?", "{0"))
        if piece.startswith("("):
            if not optional:
                groups.append(pieces[at + 1 : end - 1])
            runs.append([""])
        elif (plain := _plain(piece)) and not optional and len(runs[-1]) * len(plain) <= FORMS:
            runs[-1] = [form + each for form in runs[-1] for each in plain]
            if repeat:
                runs.append([""])
        elif len(plain) == 1 and repeat == "?" and len(runs[-1]) < FORMS:
            runs[-1] += [form + plain for form in runs[-1]]
        else:
            runs.append([""])
        at = end + bool(repeat)
    return [_apart(forms) for forms in runs], groups


def _apart(forms: list[str]) -> list[str]:
    """*forms* without those that hold another: where they stand, that one does.

    Three letters hold nothing: the index finds them only where they stand alone.
    """
    short = [form for form in forms if len(form) > 3]
    return [form for form in forms if not any(o in form for o in short if o != form)]


MANY = 24
"""Pieces up to which it is worth knowing that one of them must be in a line."""

DIGITS = 3
"""Digits of a number from which on it tells something: there are two in every time."""


def rarest(pattern: str, common: Callable[[str], int]) -> tuple[str, ...]:
    """As `needs` of an alternative, by how *common* words are in texts: the rarest set of them."""
    every = [tuple(dict.fromkeys(words)) for words in _conjuncts(tokens(pattern))]
    found = [words for words in every if len(words) <= MANY and all(map(is_found_anywhere, words))]
    return min([needs(pattern), *found], key=lambda words: sum(map(common, words)))


def also(pattern: str, first: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Pieces of runs of letters or digits, in sets: one of each must be in a line as well as one of
    the words *first* where *pattern*, an alternative, matches.

    A blank before or behind a piece stands where its run begins or ends.
    """
    found = []
    for words in _conjuncts(tokens(pattern)):
        pieces = tuple(dict.fromkeys(map(_piece, words)))
        if len(pieces) <= MANY and all(pieces) and not {*first}.issuperset(words):
            found.append(pieces)
    return tuple(dict.fromkeys(found))


def _piece(word: str) -> str:
    """The longest run of *word*, with a blank at an end where the run ends within the word; empty
    if it tells nothing, or cannot be found."""
    best = max(RUN.finditer(word), key=lambda found: len(found[0]), default=None)
    if best is None or len(best[0]) >= LONGEST or (best[0].isdigit() and len(best[0]) < DIGITS):
        return ""
    before, behind = " " * (best.start() > 0), " " * (best.end() < len(word))
    return f"{before}{best[0]}{behind}"


def _conjuncts(pieces: list[str]) -> list[list[str]]:
    """All sets of words of which one must occur, where there is one alternative; else none."""
    if len(_branches(pieces)) > 1:
        return [_needs(pieces)]
    runs, groups = _musts(pieces)
    return [forms for forms in runs if all(forms)] + [
        each for group in groups for each in _conjuncts(group)
    ]


_RUN = re.compile(r"[a-z0-9]+|[^\x00-\x7f]+")
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a all an and any are at bad be by can code connection could did do does end error failed "
        "fail file for found from get has have host if in info invalid is it key line log name new "
        "no not of on or out path put request server service set status that the this time to "
        "unable user value was while with you your",
    )
)
"""Words that stand in many lines, so that it tells little that one of them occurs."""


def _tells(words: list[str]) -> tuple[float, int]:
    """How much it tells that one of them occurs: long words, and few."""
    return min((_length(word) for word in words), default=0), -len(words)


@cache
def _length(word: str) -> float:
    """The length of the longest run of letters in *word* that is rare; Chinese counts double.

    Common words tell a little more together than one of them alone.
    """
    runs = _RUN.findall(word)
    rare = [len(run) * (1 if run.isascii() else 2) for run in runs if run not in _COMMON]
    return max(rare, default=1 + len(runs) / 2 if runs else bool(word))


def _end(pieces: list[str], at: int) -> int:
    """One past the piece, or past the group, that begins at *at*."""
    depth = 0
    for place in range(at, len(pieces)):
        depth += pieces[place].startswith("(") - (pieces[place] == ")")
        if depth == 0:
            return place + 1
    return len(pieces)


def _repeats(piece: str) -> bool:
    return piece[0] in "*+?" or (piece[0] == "{" and len(piece) > 1)


def _plain(piece: str) -> str:
    """The characters of which *piece* is one; empty if it may be any."""
    if len(piece) == 1:
        return "" if piece in ".^$" else piece
    if piece.startswith("\\x") and len(piece) == 4:
        return chr(int(piece[2:], 16)).lower()
    if _FEW.fullmatch(piece):
        return piece[1:-1]
    return piece[1] if piece[0] == "\\" and not piece[1].isalnum() else ""


_FEW = re.compile(r"\[[^\\^\]-][^\\\]-]{0,3}\]")
"""A class of a few characters, none of which means others."""


def faults(pattern: str) -> list[str]:
    """What is wrong with a pattern: nested repetition, looking around, open-ended wildcards."""
    found = []
    if re.search(r"\(\?[=!<](?!\w+>)", pattern) or re.search(r"\\[1-9]", pattern):
        found.append("looks around or back")
    if ".*" in pattern or ".+" in pattern:
        found.append("an unbounded wildcard: write .{0,80}")
    pieces = tokens(pattern)
    for at, piece in enumerate(pieces):
        end = _end(pieces, at) if piece.startswith("(") else 0
        if 0 < end < len(pieces) and pieces[end].startswith(_REPEATS) and len(pieces[end]) > 0:
            inner = pieces[at + 1 : end - 1]
            if any(_repeats(each) and not each.startswith("?") for each in inner):
                found.append("repetition within repetition")
    return found
