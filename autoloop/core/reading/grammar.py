"""The grammar of complaints: what a line means that no signature knows.

Programs word the same trouble in countless ways, but they say that something is missing, refused,
malformed, late …, and what. `grammar.toml` tells kinds and topics by words, and what a kind of
complaint about a topic means.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from autoloop.core.reading.index import WordIndex
from autoloop.core.reading.patterns import branches, is_found_anywhere, needs
from autoloop.core.reading.pieces import Filed
from autoloop.core.reading.tables import made, table

LONGEST = 600
"""Characters of a line in which words are looked for."""

CLAIMS = ("value", "refused", "needed", "unknown")
"""The kinds whose words alone make a complaint of a short message that stands alone."""

FAR = 60
"""Characters between a complaint and what it is about."""

PLAIN = ("error", "fail", " not ", "exception", "invalid", "refused", "denied", "missing", "cannot")
"""What is in most complaints."""

LOOSE = {"service": 40}
"""Topics that stand in many lines: how much nearer than others they must be."""


Tried = dict[str, list[re.Pattern[str]]]
"""Alternatives that may be found in a line, by the names of their patterns, in order."""


Kept = tuple[Sequence[Sequence[str]], Filed]
"""The words of which each alternative needs one, and under which pieces all are filed."""


class Alternatives:
    """Patterns in groups, of whose alternatives only those are tried whose words occur.

    What was *kept* of the same ones, found beforehand, need not be found again.
    """

    def __init__(self, *groups: dict[str, str], kept: Kept | None = None) -> None:
        self.names = tuple(frozenset(patterns) for patterns in groups)
        self._rows = [
            (group, name, branch)
            for group, patterns in enumerate(groups)
            for name, pattern in patterns.items()
            for branch in branches(pattern)
        ]
        needed, filed = kept or ([_indexed(branch) for _, _, branch in self._rows], None)
        self._always = [row for row, each in enumerate(needed) if not each]
        self._index = WordIndex(((each, ()) for each in needed), filed)
        self.kept: Kept = needed, self._index.filed
        self._compiled: dict[int, re.Pattern[str]] = {}

    def of(self, low: str) -> list[Tried]:
        """What may be found in *low*, of each group."""
        found: list[Tried] = [{} for _ in self.names]
        for row in sorted((*self._always, *self._index.rows_in(low))):
            group, name, branch = self._rows[row]
            pattern = self._compiled.get(row)
            if pattern is None:
                pattern = self._compiled[row] = re.compile(branch)
            found[group].setdefault(name, []).append(pattern)
        return found


def _indexed(branch: str) -> tuple[str, ...]:
    """The words that *branch* needs, if the index finds them wherever they stand in its matches."""
    words = needs(branch)
    alone = re.fullmatch(r"\\b[a-z]{2,3}\\b", branch)
    return words if alone or all(map(is_found_anywhere, words)) else ()


@dataclass(frozen=True, slots=True)
class Grammar:
    """The *words* of kinds and of topics, and what they mean together.

    *claims* is how a short message complains that stands alone, *complaint* any word of trouble;
    *anyway* is what a kind means about a topic that does not say otherwise.
    """

    words: Alternatives
    means: dict[str, dict[str, str]]
    claims: re.Pattern[str]
    anyway: dict[str, str]
    complaint: re.Pattern[str]

    def claims_trouble(self, low: str) -> bool:
        """Whether *low*, a short message alone, is worded as a complaint."""
        return bool(self.claims.search(low[:LONGEST]))

    def read(self, low: str, *, topical: bool = False) -> str:
        """The name of the cause that *low*, a line in lower case, complains of; empty if none.

        With *topical*, empty too where the line does not say what it complains of.
        """
        low = low[:LONGEST]
        kinds, topics = self.words.of(low)
        for kind, patterns in kinds.items():
            found = [match for pattern in patterns if (match := pattern.search(low))]
            if found:
                start, end = min(found, key=lambda match: match.start()).span()
                topic = _nearest(topics, low, start, end)
                means = self.means[topic or "nothing"]
                told = means.get(kind) or self.anyway.get(kind) or means["else"]
                return told if topic or not topical else ""
        return ""


def _nearest(topics: Tried, low: str, start: int, end: int) -> str:
    """What stands next to the words between *start* and *end*; empty if nothing known."""
    first, last = max(start - FAR, 0), end + FAR
    near = [
        (_between(*found.span(), start, end) + LOOSE.get(topic, 0), place, topic)
        for place, (topic, patterns) in enumerate(topics.items())
        for pattern in patterns
        for found in pattern.finditer(low, first, last)
    ]
    far, _, topic = min(near, default=(FAR, 0, ""))
    return topic if far < FAR else ""


def complains(low: str) -> bool:
    """Whether *low*, a line in lower case, holds any word of a complaint."""
    for plain in PLAIN:  # soon found, and the grammar need not be read for it
        if plain in low:
            return True
    return bool(grammar().complaint.search(low))


def _between(start: int, end: int, other_start: int, other_end: int) -> int:
    """Characters between two pieces of a line; none where they overlap."""
    return max(start - other_end, other_start - end, 0)


def alternatives(known: dict[str, Any], kept: Kept | None = None) -> Alternatives:
    """Those of the kinds and of the topics."""
    return Alternatives(known["kinds"], known["topics"], kept=kept)


@cache
def grammar() -> Grammar:
    """The grammar of this package."""
    known = table("grammar")
    kept = made("alternatives", "grammar")
    kinds = known["kinds"]
    return Grammar(
        alternatives(known, (kept["needed"], kept["filed"]) if kept else None),
        known["means"],
        re.compile("|".join([*(kinds[name] for name in CLAIMS), *known["claims"].values()])),
        known["anyway"],
        re.compile("|".join(known["complaints"].values())),
    )
