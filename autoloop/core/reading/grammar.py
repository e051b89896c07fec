"""The grammar of complaints: what a line means that no signature knows.

Programs word the same trouble in countless ways, but they say that something is missing, refused,
malformed, late …, and what. `grammar.toml` tells kinds and topics by words, and what a kind of
complaint about a topic means.
"""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

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


@dataclass(frozen=True, slots=True)
class Grammar:
    """Kinds and topics with their words, and what they mean together.

    *claims* is how a short message complains that stands alone, *complaint* any word of trouble;
    *anyway* is what a kind means about a topic that does not say otherwise.
    """

    kinds: dict[str, re.Pattern[str]]
    topics: dict[str, re.Pattern[str]]
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
        for kind, words in self.kinds.items():
            if found := words.search(low):
                topic = self._topic(low, found.start(), found.end())
                means = self.means[topic or "nothing"]
                told = means.get(kind) or self.anyway.get(kind) or means["else"]
                return told if topic or not topical else ""
        return ""

    def _topic(self, low: str, start: int, end: int) -> str:
        """What stands next to the words between *start* and *end*; empty if nothing known."""
        first, last = max(start - FAR, 0), end + FAR
        near = [
            (_between(*found.span(), start, end) + LOOSE.get(topic, 0), place, topic)
            for place, (topic, words) in enumerate(self.topics.items())
            for found in words.finditer(low, first, last)
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


@cache
def grammar() -> Grammar:
    """The grammar of this package."""
    folder = files("autoloop.core.reading") / "signatures"
    table = tomllib.loads((folder / "grammar.toml").read_text(encoding="utf-8"))
    kinds, topics = table["kinds"], table["topics"]
    return Grammar(
        {name: re.compile(words) for name, words in kinds.items()},
        {name: re.compile(words) for name, words in topics.items()},
        table["means"],
        re.compile("|".join([*(kinds[name] for name in CLAIMS), *table["claims"].values()])),
        table["anyway"],
        re.compile("|".join(table["complaints"].values())),
    )
