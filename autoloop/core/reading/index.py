"""The index: which of some thousand words occur in a line, without looking for each of them.

Every word is filed under a piece of itself that few others have: two Chinese characters, four
letters or digits, or less where it has no more. Only words whose piece occurs in a line are looked
for. The same runs of letters come again and again in logs, so what they hold is remembered.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from autoloop.core.reading.excerpt import Excerpt

REMEMBERED = 20_000
OCCURRENCES = 60
"""Lines with the same word that are looked at."""

LONGEST = 40
_OF = ("a-z", "0-9", r"\u4e00-\u9fff", r"^\x00-\x7f\u4e00-\u9fff")
_RUN = re.compile("|".join(rf"[{kind}][{kind}]{{1,39}}" for kind in _OF))
"""Runs of letters, digits, Chinese or other characters. The first one stands by itself so that `re`
need not try a kind to see that it is not there."""

_KINDS = (
    (re.compile(r"[\u4e00-\u9fff]{2,40}"), 2),
    (re.compile(r"[a-z]{4,40}|[0-9]{4,40}"), 4),
    (re.compile(r"[a-z]{3}"), 3),
    (_RUN, 2),
)
"""Runs of characters, and the size of the pieces of them under which words are filed.

What has no more than three letters must stand alone: "url" is not in "curl".
"""

Holds = tuple[frozenset[str], tuple[str, ...]]
"""The words that a run holds, and those of which it may hold a part."""

NOTHING: Holds = frozenset(), ()
"""What most runs hold."""


Filed = dict[str, list[str]]
"""Words by the piece under which they are filed; under an empty one those that have none."""


class WordIndex:
    """Files rows under the words of which each needs one; of others it may need one *also*.

    Under which pieces the words are *filed* may have been found beforehand. What is made of the
    rows of a line, as *arranged* tells, is remembered with them.
    """

    def __init__(
        self,
        needed: Iterable[tuple[Sequence[str], Sequence[str]]],
        filed: Filed | None = None,
        arranged: Callable[[list[int]], Any] = list,
    ) -> None:
        self._arranged = arranged
        self._rows: dict[str, list[int]] = defaultdict(list)
        self._also: list[frozenset[str]] = []
        for row, (words, also) in enumerate(needed):
            for word in words:
                self._rows[word].append(row)
            self._also.append(frozenset(also))
        self.filed = filed or _filed((*self._rows, *chain.from_iterable(self._also)))
        self._apart = self.filed.get("", [])
        self._known = Runs(self.filed)
        self._lines: dict[tuple[int, ...], Holds] = {}
        self._together: dict[frozenset[str], Any] = {}

    def rows(self, excerpt: Excerpt) -> Iterator[tuple[int, Any]]:
        """The number of each line that has a word, and the rows that may be found in it."""
        self._forget()
        apart = [word for word in self._apart if word in excerpt.low]
        seen = Counter[str]() if len(excerpt.lines) > OCCURRENCES else None
        for number, low in enumerate(excerpt.low_lines):
            words = self._words(low)
            if apart and (more := [word for word in apart if word in low]):
                words = words.union(more)
            if seen is not None:
                words = frozenset([word for word in words if seen[word] < OCCURRENCES])
                seen.update(words)
            if words and (rows := self._rows_of(words)):
                yield number, rows

    def rows_in(self, low: str) -> Any:
        """The rows that may be found in one line."""
        self._forget()
        return self._rows_of(self._words(low).union(word for word in self._apart if word in low))

    def _forget(self) -> None:
        """What was remembered, once it is much."""
        if len(self._known) > REMEMBERED or len(self._lines) > REMEMBERED:
            self._known.forget()
            self._lines.clear()
        if len(self._together) > REMEMBERED:
            self._together.clear()

    def _words(self, low: str) -> frozenset[str]:
        """The words that occur in a line, but for those that are filed under no piece.

        Lines of one program hold the same runs but for numbers, which hold nothing.
        """
        runs = tuple(filter(None, map(self._known.__getitem__, _RUN.findall(low))))
        holds = self._lines.get(runs)
        if holds is None:
            holds = self._lines[runs] = self._known.together(runs)
        whole, parts = holds
        if parts and (more := [word for word in parts if word in low]):
            return whole.union(more)
        return whole

    def _rows_of(self, words: frozenset[str]) -> Any:
        """The rows that may be found where *words* occur; lines of one program hold the same."""
        rows = self._together.get(words)
        if rows is None:
            filed, also = self._rows, self._also
            near = set(chain.from_iterable([filed[word] for word in words if word in filed]))
            found = sorted([n for n in near if not also[n] or not also[n].isdisjoint(words)])
            rows = self._together[words] = self._arranged(found)
        return rows


class Runs(dict[str, int]):
    """What each run holds of the words that are *filed* under their pieces: a number for each thing
    that runs hold, 0 for nothing."""

    def __init__(self, filed: Filed) -> None:
        super().__init__()
        self._filed = filed
        self._holds = [NOTHING]
        self._numbers = {NOTHING: 0}

    def forget(self) -> None:
        """All runs, and all numbers."""
        self.clear()
        self._holds = [NOTHING]
        self._numbers = {NOTHING: 0}

    def together(self, numbers: tuple[int, ...]) -> Holds:
        """What the runs with these *numbers* hold together."""
        held = [self._holds[number] for number in numbers]
        whole = frozenset(chain.from_iterable(words for words, _ in held))
        parts = dict.fromkeys(chain.from_iterable(words for _, words in held))
        return whole, tuple(word for word in parts if word not in whole)

    def __missing__(self, run: str) -> int:
        pieces = {
            run,
            *(run[at : at + size] for size in (2, 4) for at in range(len(run) - size + 1)),
        }
        words = [word for piece in pieces & self._filed.keys() for word in self._filed[piece]]
        whole = frozenset(word for word in words if word in run)
        parts = tuple(word for word in words if word not in run and _goes_on(word, run))
        number = self._numbers.setdefault((whole, parts), len(self._holds))
        if number == len(self._holds):
            self._holds.append((whole, parts))
        self[run] = number
        return number


def _goes_on(word: str, run: str) -> bool:
    """Whether *run* may be where one of the runs of *word* stands in a line."""
    if len(run) == LONGEST:
        return True
    for part in _RUN.finditer(word):
        begins, ends = part.start() == 0, part.end() == len(word)
        if begins and ends:
            continue
        if (
            run == part[0]
            or (begins and run.endswith(part[0]))
            or (ends and run.startswith(part[0]))
        ):
            return True
    return False


def _filed(words: Iterable[str]) -> Filed:
    left = sorted(set(words))
    filed: Filed = {}
    for run, size in _KINDS:
        filed |= _by_rarest([word for word in left if run.search(word)], run, size)
        left = [word for word in left if not run.search(word)]
    return filed | {"": left}


def _by_rarest(words: Iterable[str], run: re.Pattern[str], size: int) -> Filed:
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
        filed[min([(common[piece], piece) for piece in of_word])[1]].append(word)
    return dict(filed)
