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

FAR = 60
"""Characters between a complaint and what it is about."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """Kinds and topics with their words, and what they mean together."""

    kinds: dict[str, re.Pattern[str]]
    topics: dict[str, re.Pattern[str]]
    means: dict[str, dict[str, str]]
    anyway: dict[str, str]
    complaint: re.Pattern[str]

    def complains(self, low: str) -> bool:
        """Whether *low*, a line in lower case, holds any word of a complaint."""
        return bool(self.complaint.search(low))

    def read(self, low: str, *, topical: bool = False) -> str:
        """The name of the cause that *low*, a line in lower case, complains of; empty if none.

        With *topical*, empty too where the line does not say what it complains of.
        """
        low = low[:LONGEST]
        for kind, words in self.kinds.items():
            if found := words.search(low):
                if kind in self.anyway:
                    return self.anyway[kind]
                topic = self._topic(low, found.start(), found.end())
                means = self.means[topic or "nothing"]
                return means.get(kind, means["else"]) if topic or not topical else ""
        return ""

    def _topic(self, low: str, start: int, end: int) -> str:
        """What stands next to the words between *start* and *end*; empty if nothing known."""
        first, last = max(start - FAR, 0), end + FAR
        near = [
            (_between(found.start(), found.end(), start, end), place, topic)
            for place, (topic, words) in enumerate(self.topics.items())
            for found in words.finditer(low, first, last)
        ]
        far, _, topic = min(near, default=(FAR, 0, ""))
        return topic if far < FAR else ""


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
        table["anyway"],
        re.compile("|".join(table["complaints"].values())),
    )
