"""The index: which of some thousand words occur in a text, without looking for each of them.

Every word is filed under a piece of itself that few others have: two Chinese characters, four
letters or digits, or three letters. Only words whose piece occurs in a text are looked for. The
same runs of letters come again and again in logs, so what they hold is remembered.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from autoloop.core.reading.excerpt import Excerpt

REMEMBERED = 20_000
OCCURRENCES = 60
"""Lines with the same word that are looked at."""


_KINDS = ((re.compile(r"[\u4e00-\u9fff]{2,40}"), 2), (re.compile(r"[a-z]{4,40}|[0-9]{4,40}"), 4),
          (re.compile(r"[a-z]{3}"), 3))  # fmt: skip
"""Runs of characters, and the size of the pieces of them under which words are filed.

What has no more than three letters must stand alone: "url" is not in "curl".
"""

_RUN = re.compile(r"[a-z]{3,40}|[0-9]{4,40}|[\u4e00-\u9fff]{2,40}")


class WordIndex:
    """Files rows under the words of which each needs one."""

    def __init__(self, needed: Iterable[tuple[int, tuple[str, ...]]]) -> None:
        self._rows: dict[str, list[int]] = defaultdict(list)
        for row, words in needed:
            for word in words:
                self._rows[word].append(row)
        left = list(self._rows)
        self._filed: dict[str, list[str]] = {}
        for run, size in _KINDS:
            fit = [word for word in left if run.search(word)]
            left = [word for word in left if not run.search(word)]
            self._filed |= _filed(fit, run, size)
        self._short = [word for word in left if word.isascii()]
        self._foreign = [word for word in left if not word.isascii()]
        self._known: dict[str, tuple[tuple[str, ...], tuple[str, ...]] | None] = {}

    def lines(self, excerpt: Excerpt) -> Mapping[int, set[int]]:
        """The lines in which each row has a word; rows without any are left out."""
        low, found = excerpt.low, defaultdict(set)
        for word in self._words(low):
            lines = _lines_with(excerpt, word)
            for row in self._rows[word]:
                found[row].update(lines)
        return found

    def _words(self, low: str) -> Iterable[str]:
        """The words that occur in *low*."""
        yield from (word for word in self._short if word in low)
        if not low.isascii():
            yield from (word for word in self._foreign if word in low)
        found: set[str] = set()
        asked: set[str] = set()
        if len(self._known) > REMEMBERED:
            self._known.clear()
        known = self._known
        for run in set(_RUN.findall(low)):
            if run not in known:
                known[run] = self._in_run(run)
            if holds := known[run]:
                found.update(holds[0])
                asked.update(holds[1])
        yield from found
        yield from (word for word in asked - found if word in low)

    def _in_run(self, run: str) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        """The words that occur in a run of a text, and those that may go on outside of it."""
        size = 2 if run > "z" else 4
        pieces = {run, *(run[at : at + size] for at in range(len(run) - size + 1))}
        words = [word for piece in pieces & self._filed.keys() for word in self._filed[piece]]
        whole = tuple(word for word in words if word in run)
        return (whole, tuple(word for word in words if word not in run)) if words else None


def _filed(words: Iterable[str], run: re.Pattern[str], size: int) -> dict[str, list[str]]:
    """Words by the rarest piece of *size* characters in their runs."""
    pieces = {
        word: [
            part[at : at + size] for part in run.findall(word) for at in range(len(part) - size + 1)
        ]
        for word in words
    }
    common = Counter(piece for of_word in pieces.values() for piece in of_word)
    filed: dict[str, list[str]] = defaultdict(list)
    for word, of_word in pieces.items():
        filed[min(of_word, key=lambda piece: (common[piece], piece))].append(word)
    return dict(filed)


def _lines_with(excerpt: Excerpt, word: str) -> list[int]:
    found: list[int] = []
    at = excerpt.low.find(word)
    while at >= 0 and len(found) < OCCURRENCES:
        line = excerpt.line_at(at)
        found.append(line)
        at = excerpt.low.find(word, excerpt.end_of(line))
    return found
