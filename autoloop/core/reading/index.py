"""The index: which of some thousand words occur in a line, without looking for each of them.

Every word is filed under a piece of itself that few others have: two Chinese characters, four
letters or digits, or less where it has no more. Only words whose piece occurs in a line are looked
for. The same runs of letters come again and again in logs, so what they hold is remembered.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from operator import add
from threading import Lock
from typing import Any

from autoloop.core.reading.excerpt import Excerpt
from autoloop.core.reading.patterns import LONGEST, PLAIN_RUN, RUN

REMEMBERED = 20_000
"""Runs, and lines by the runs in them, that are remembered. What is remembered of a line is of a
kind that the garbage collector passes over."""

OCCURRENCES = 60
"""Lines with the same word that are looked at."""

_KINDS = (
    (re.compile(r"[\u4e00-\u9fff]{2,40}"), 2),
    (re.compile(r"[a-z]{4,40}|[0-9]{4,40}"), 4),
    (re.compile(r"[a-z]{3}"), 3),
    (RUN, 2),
)
"""Runs of characters, and the size of the pieces of them under which words are filed.

What has no more than three letters must stand alone: "url" is not in "curl".
"""

Holds = tuple[frozenset[str], frozenset[str], frozenset[str]]
"""The words that a run holds, those of which it may hold a part, and the pieces that it holds."""

NOTHING: Holds = frozenset(), frozenset(), frozenset()
"""What most runs hold."""

ANY = "*"
"""The piece that is held by a run of which the end is not known: any other may be in it."""

Filed = dict[str, list[str]]
"""Words by the piece under which they are filed; under an empty one those that have none."""

Needed = tuple[Sequence[str], Sequence[Sequence[str]]]
"""The words of which a row needs one, and sets of pieces of runs, of each of which it needs one."""


class Runs(dict[str, int]):
    """What each run holds of the words that are *filed* under their pieces, and of *pieces* by the
    rarest pair in each: a number for each thing that runs hold, 0 for nothing."""

    def __init__(self, filed: Filed, pieces: Filed) -> None:
        super().__init__()
        self._filed = filed
        self._pieces = pieces
        self.holds = [NOTHING]
        self._numbers = {NOTHING: 0}
        self._numbering = Lock()

    def words(self, numbers: tuple[int, ...]) -> tuple[str, ...]:
        """The words that the runs with these *numbers* hold."""
        return tuple(frozenset[str]().union(*[self.holds[number][0] for number in numbers]))

    def pieces(self, numbers: tuple[int, ...]) -> frozenset[str]:
        """The pieces that the runs with these *numbers* hold."""
        return frozenset[str]().union(*[self.holds[number][2] for number in numbers])

    def __missing__(self, run: str) -> int:
        pairs = {run[at : at + 2] for at in range(len(run) - 1)}
        pieces = {run, *pairs, *(run[at : at + 4] for at in range(len(run) - 3))}
        words = [word for piece in pieces & self._filed.keys() for word in self._filed[piece]]
        whole = frozenset(word for word in words if word in run)
        parts = frozenset(word for word in words if word not in run and _goes_on(word, run))
        ends = f" {run} "
        also = {each for pair in pairs & self._pieces.keys() for each in self._pieces[pair]}
        held = [each for each in also if each in ends] if len(run) < LONGEST else [ANY]
        holds = whole, parts, frozenset(held)
        with self._numbering:
            number = self._numbers.setdefault(holds, len(self.holds))
            if number == len(self.holds):
                self.holds.append(holds)
        self[run] = number
        return number


class Memory:
    """What was found out of lines: by the runs in them, as lines of one program hold the same runs
    but for numbers, which hold nothing.

    It is never emptied, but thrown away as a whole: another thread may be reading with it.
    """

    def __init__(self, runs: Runs, found: Callable[..., Any]) -> None:
        self.runs = runs
        self._found = found
        self._words = lru_cache(REMEMBERED)(runs.words)
        self._near = lru_cache(REMEMBERED)(self._rows)

    def rows(self, low: str, apart: tuple[str, ...], seen: Counter[str] | None = None) -> Any:
        """The rows that may be found in a line, for the words that it holds, of those *apart* too;
        with those *seen*, none for words that were in enough lines."""
        found = (PLAIN_RUN if low.isascii() else RUN).findall(low)
        runs = tuple(filter(None, map(self.runs.__getitem__, found)))
        holds = self.runs.holds
        more = [word for number in {*runs} for word in holds[number][1] if word in low]
        near = tuple(more + [word for word in apart if word in low])
        if seen is None:
            return self._near(runs, near, ())
        return self._near(runs, near, _tired(seen, self._words(runs) + near))

    def _rows(self, runs: tuple[int, ...], more: tuple[str, ...], tired: tuple[str, ...]) -> Any:
        return self._found({*self.runs.words(runs), *more}, self.runs.pieces(runs), tired)


class WordIndex:
    """Files rows under the words of which each needs one; of other pieces it may need some, too.

    Under which pieces the words are *filed* may have been found beforehand. What is made of the
    rows of a line, as *arranged* tells, is remembered with them.
    """

    def __init__(
        self,
        needed: Iterable[Needed],
        filed: Filed | None = None,
        arranged: Callable[[tuple[int, ...]], Any] = tuple,
    ) -> None:
        self._rows: dict[str, list[int]] = defaultdict(list)
        self._also: list[Sequence[Sequence[str]]] = []
        for row, (words, also) in enumerate(needed):
            for word in words:
                self._rows[word].append(row)
            self._also.append(also)
        self.filed = filed or _filed(self._rows)
        self._apart = self.filed.get("", [])
        self._pieces = _by_rarest_pair({*chain.from_iterable(chain.from_iterable(self._also))})
        self._arranged = lru_cache(REMEMBERED)(arranged)
        self._memory = self._fresh()

    def rows(self, excerpt: Excerpt) -> Iterator[tuple[int, Any]]:
        """The number of each line that has a word, and the rows that may be found in it."""
        memory = self._remembered()
        apart = tuple(word for word in self._apart if word in excerpt.low)
        seen = Counter[str]() if len(excerpt.lines) > OCCURRENCES else None
        for number, low in enumerate(excerpt.low_lines):
            if rows := memory.rows(low, apart, seen):
                yield number, rows

    def rows_in(self, low: str) -> Any:
        """The rows that may be found in one line."""
        return self._remembered().rows(low, tuple(self._apart))

    def _remembered(self) -> Memory:
        """What is remembered; once it is much, nothing."""
        if len(self._memory.runs) > REMEMBERED:
            self._memory = self._fresh()
        return self._memory

    def _fresh(self) -> Memory:
        return Memory(Runs(self.filed, self._pieces), self._found)

    def _found(self, words: Iterable[str], pieces: frozenset[str], tired: tuple[str, ...]) -> Any:
        """The rows that need one of *words*, but none *tired*, and have all that they need of
        *pieces*."""
        asked = [self._rows[word] for word in words if word in self._rows and word not in tired]
        near = set(chain.from_iterable(asked))
        if ANY in pieces:
            return self._arranged(tuple(sorted(near)))
        found = []
        for row in near:
            for each in self._also[row]:
                if pieces.isdisjoint(each):
                    break
            else:
                found.append(row)
        return self._arranged(tuple(sorted(found)))


def _tired(seen: Counter[str], words: tuple[str, ...]) -> tuple[str, ...]:
    """Those of *words* that have been *seen* in enough lines; the others are counted."""
    tired = tuple([word for word in words if seen[word] >= OCCURRENCES])
    seen.update(set(words).difference(tired))
    return tired


def _goes_on(word: str, run: str) -> bool:
    """Whether *run* may be where one of the runs of *word* stands in a line."""
    if len(run) == LONGEST:
        return True
    for part in RUN.finditer(word):
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


def _by_rarest_pair(pieces: Collection[str]) -> Filed:
    """Pieces of runs by the rarest two characters in each."""
    pairs = {piece: list(map(add, run, run[1:])) for piece in pieces if (run := piece.strip())}
    common = Counter(chain.from_iterable(pairs.values()))
    filed: dict[str, list[str]] = defaultdict(list)
    for piece, of_piece in pairs.items():
        filed[min(of_piece, key=common.__getitem__)].append(piece)
    return dict(filed)
