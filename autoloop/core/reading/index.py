"""The index: which of some thousand words occur in a text, without looking for each of them.

Every word is filed under a piece of itself that few others have: four letters, or two Chinese
characters. Only words whose piece occurs in a text are looked for. The same runs of letters come
again and again in logs, so what they hold is remembered.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache

from autoloop.core.reading.excerpt import Excerpt

REMEMBERED = 20_000
OCCURRENCES = 60
"""Lines with the same word that are looked at."""


_LATIN = re.compile(r"[a-z]{4,40}")
_CHINESE = re.compile(r"[\u4e00-\u9fff]{2,40}")


class WordIndex:
    """Files rows under the words of which each needs one."""

    def __init__(self, needed: Iterable[tuple[int, tuple[str, ...]]]) -> None:
        self._rows: dict[str, list[int]] = defaultdict(list)
        for row, words in needed:
            for word in words:
                self._rows[word].append(row)
        latin, chinese = _filed(self._rows, _LATIN, 4), _filed(self._rows, _CHINESE, 2)
        self._short = [word for word in self._rows if not _LATIN.search(word)]
        self._short = [word for word in self._short if not _CHINESE.search(word)]
        self._runs = ((_LATIN, _pieces_of(4, latin)), (_CHINESE, _pieces_of(2, chinese)))

    def lines(self, excerpt: Excerpt) -> Mapping[int, set[int]]:
        """The lines in which each row has a word; rows without any are left out."""
        low, found = excerpt.low, defaultdict(set)
        for word in self._words(low):
            for line in _lines_with(excerpt, word):
                for row in self._rows[word]:
                    found[row].add(line)
        return found

    def _words(self, low: str) -> Iterable[str]:
        yield from (word for word in self._short if word in low)
        for run, filed in self._runs:
            candidates = {word for text in set(run.findall(low)) for word in filed(text)}
            yield from (word for word in candidates if word in low)


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
        if of_word and not (size == 4 and _CHINESE.search(word)):
            filed[min(of_word, key=lambda piece: (common[piece], piece))].append(word)
    return dict(filed)


def _pieces_of(size: int, filed: dict[str, list[str]]) -> Callable[[str], tuple[str, ...]]:
    """For a run of a text, the words that are filed under a piece of it; remembered."""

    @lru_cache(maxsize=REMEMBERED)
    def words(run: str) -> tuple[str, ...]:
        pieces = {run[at : at + size] for at in range(len(run) - size + 1)}
        return tuple(word for piece in pieces & filed.keys() for word in filed[piece])

    return words


def _lines_with(excerpt: Excerpt, word: str) -> list[int]:
    found: list[int] = []
    at = excerpt.low.find(word)
    while at >= 0 and len(found) < OCCURRENCES:
        line = excerpt.line_at(at)
        found.append(line)
        at = excerpt.low.find(word, excerpt.end_of(line))
    return found
